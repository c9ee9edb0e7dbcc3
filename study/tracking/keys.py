"""Names of curves and columns as MLflow takes them: one key for one name, readable, and never too long.

MLflow allows letters and digits of any script, ``_ - . : /`` and spaces in the key of a metric, at most 250 characters,
and wants it to be a path that means no other path. Ordinary names stay as they are. In other names every byte that is
not allowed, or would be misread, becomes ``:`` and two hexadecimal digits (``a=b`` is ``a:3Db``), and a long part ends
in ``::`` and a digest of the whole.
"""

from __future__ import annotations

import hashlib
import re

KEY_LENGTH = 250
"""Characters of a key at most; also of the name of a run, by the width of its column."""

_PART_LENGTH = 100
_PATHS = frozenset({".", ".."})
_PLAIN = re.compile(r"[\w\-. ]")
_READ_AS_ESCAPE = re.compile(r":(?=[0-9A-F]{2}|[^\w\-. ]| \Z)")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def metric_key(name: str) -> str:
    """Return the key of a curve or column, whose slashes stay; other names have other keys."""
    key = "/".join(map(_part, name.split("/")))
    return key if len(key) <= KEY_LENGTH else f"{key[: KEY_LENGTH - 18]}::{_digest(name)}"


def bounded(text: str, limit: int) -> str:
    """Return ``text`` in at most ``limit`` characters, without what no store keeps; where it is cut, a digest ends it.

    Args:
        text: anything.
        limit: the most characters, above 20.
    """
    stored = _UNSTORABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return stored if len(stored) <= limit else f"{stored[: limit - 19]}...{_digest(text)}"


def _part(part: str) -> str:
    """Return one part of a path, escaped; the empty part is ``::``."""
    misread = {found.start() for found in _READ_AS_ESCAPE.finditer(part)}
    misread |= {0} if part in _PATHS else set()
    misread |= {end for end in (0, len(part) - 1) if part[end : end + 1] == " "}  # overlooked by people and databases
    escaped = "".join(
        character if (_PLAIN.match(character) or character == ":") and place not in misread else _escape(character)
        for place, character in enumerate(part)
    )
    if len(escaped) > _PART_LENGTH:
        return f"{escaped[: _PART_LENGTH - 18]}::{_digest(part)}"
    return escaped or "::"


def _escape(character: str) -> str:
    return "".join(f":{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
