"""Where the service listens, who may use it, and how much it takes on."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from study.errors import UserError

TOKEN_VARIABLE = "MODSTUDY_SERVE_TOKEN"  # noqa: S105 - the name of a variable
SHORTEST_TOKEN = 16
LOOPBACK = "127.0.0.1"

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Limits:
    """What the service takes on; beyond, it refuses.

    Attributes:
        upload_bytes: Of a request.
        held_bytes: Of all requests that are being received.
        body_seconds: In which a request must have arrived.
        pixels: Of an image before it is decoded; the network's own limit holds too.
        searches: At once.
        waiting: Searches that wait for their turn.
        search_seconds: From arrival to answer, waiting included.
        top: Neighbours in one ranking.
    """

    upload_bytes: int = 20_000_000
    held_bytes: int = 200_000_000
    body_seconds: float = 15.0
    pixels: int = 50_000_000
    searches: int = 2
    waiting: int = 32
    search_seconds: float = 20.0
    top: int = 100


@dataclass(frozen=True)
class ServeSettings:
    """Address, token, names by which browsers may address it, and limits."""

    host: str = LOOPBACK
    port: int = 8321
    token: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse an address that others can reach without a token.

        Raises:
            UserError: The address is not of this machine alone, and there is no token.
        """
        if self.token is None and not is_loopback(self.host):
            raise UserError(
                f"--host {self.host}: others can reach this address, so a token is needed: set {TOKEN_VARIABLE} or give"
                f" --token-file FILE (at least {SHORTEST_TOKEN} characters)"
            )

    @property
    def known_names(self) -> frozenset[str]:
        """Host names, in lower case, that a request may address."""
        own = () if is_loopback(self.host) else (self.host, socket.gethostname())
        return _LOOPBACK_NAMES | {name.casefold() for name in (*own, *self.names)}


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def read_token(file: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token from a file or else from the environment; None where there is neither.

    Raises:
        UserError: The file cannot be read, or the token is short or not printable ASCII. The message does not show it.
    """
    if file is None:
        where, text = TOKEN_VARIABLE, environment.get(TOKEN_VARIABLE)
        if text is None:
            return None
    else:
        where = f"--token-file {file}"
        try:
            text = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not ASCII text"
            raise UserError(f"{where}: {reason}") from None
    token = text.strip()
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable()) or " " in token:
        raise UserError(f"{where}: a token has at least {SHORTEST_TOKEN} printable ASCII characters and no spaces")
    return token
