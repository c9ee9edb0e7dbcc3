"""Tells the address of a store from a path."""

from __future__ import annotations

import re
from pathlib import Path

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(.+)")


def address_of(place: str | Path) -> str | None:
    """Return the URL that ``place`` is, without a slash at its end; None for a path.

    A ``Path`` drops one of the slashes of a URL; it is put back.

    Example:
        >>> address_of(Path("s3://bucket/runs/"))
        's3://bucket/runs'
        >>> address_of("runs/shoes") is None
        True
    """
    found = _ADDRESS.fullmatch(str(place))
    return f"{found[1]}://{found[2].rstrip('/')}" if found else None


def shown(place: Path) -> str:
    """Return a path or a URL as a user types it."""
    return address_of(place) or str(place)
