"""The folder of this node for what is fetched and decoded, and the rules for a URL in a study."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from trainables.foundation.objects.address import address_of
from trainables.foundation.objects.requests import PACKAGES
from trainables.foundation.registry import nearest


def node_cache() -> Path:
    """Return the cache folder of this node: ``MODSTUDY_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("MODSTUDY_CACHE"):
        return Path(chosen).expanduser().resolve()
    return user_cache_path("modstudy", appauthor=False)


def checked_address(place: str | Path) -> str | None:
    """Return the URL that ``place`` is; None for a path.

    Raises:
        ValueError: no store of this protocol is known, or the URL holds what may be a secret, which is not repeated.

    Example:
        >>> checked_address("s3://bucket/shoes/")
        's3://bucket/shoes'
        >>> checked_address("s3://key:secret@bucket/shoes")
        Traceback (most recent call last):
        ValueError: a URL of s3:// must hold no login and no query (@ or ?); access comes from the environment
    """
    url = address_of(place)
    if url is None:
        return None
    protocol, _, rest = url.partition("://")
    if protocol not in PACKAGES:
        known = ", ".join(f"{name}://" for name in PACKAGES)
        raise ValueError(
            f"no store of kind {protocol}:// is known; known: {known}{nearest(protocol, PACKAGES)}; or a path"
        )
    if "?" in rest or "@" in rest.partition("/")[0]:
        raise ValueError(
            f"a URL of {protocol}:// must hold no login and no query (@ or ?); access comes from the environment"
        )
    if any(part in ("", ".", "..") for part in rest.split("/")):
        raise ValueError(f"{url}: parts of a URL must not be empty, '.' or '..'")
    return url
