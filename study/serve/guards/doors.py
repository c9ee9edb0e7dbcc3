"""Who may come in: who addresses this machine by a known name, from its own page, with the token if there is one.

A page of elsewhere whose name is bound anew to this address (DNS rebinding) sends its own name as ``Host``. A page
of elsewhere that sends an upload names itself in ``Origin``.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from study.serve.page import ASSETS
from study.serve.refusals import Refusal
from study.serve.settings import ServeSettings

COOKIE = "modstudy_session"
OPEN_PATHS = frozenset(ASSETS) | {"/healthz", "/readyz"}
"""Without a token; none of them tells anything of the index."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Doors:
    """Refuses who may not come in."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, session: str) -> None:
        self._app = app
        self._names = settings.known_names
        self._token = settings.token
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except Refusal as refusal:
                await refusal.response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or _name_of(host[0]) not in self._names:
            raise Refusal(421, "Host: not a name of this service; start it with --name NAME to add one")
        if scope["method"] not in _READING:
            _check_origin(headers, host[0])
        if self._token is not None and scope["path"] not in OPEN_PATHS and not self._knows_token(headers):
            raise Refusal(401, "a token is needed: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})

    def _knows_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        bearer = kind.casefold() == "bearer" and _equal(given.strip(), self._token or "")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return bearer | _equal(cookie, self._session)


def new_session() -> str:
    """Return what a signed-in browser shows instead of the token; another one each time the service starts."""
    return secrets.token_urlsafe(32)


def _check_origin(headers: Headers, host: str) -> None:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site not in {None, "same-origin", "none"}:
        raise Refusal(403, "Sec-Fetch-Site: only the page of this service may send this")
    if origin is not None and (not _is_web(origin) or urlsplit(origin).netloc.casefold() != host.casefold()):
        raise Refusal(403, "Origin: only the page of this service may send this")


def _is_web(origin: str) -> bool:
    return origin.startswith(("http://", "https://"))


def _name_of(host: str) -> str | None:
    """Return the name in a ``Host`` header, without port and brackets; None where it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return None if parts.path or parts.query or parts.fragment or "@" in host else parts.hostname


def _equal(given: str, known: str) -> bool:
    """Compare in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), known.encode("utf-8"))
