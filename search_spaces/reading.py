"""Reading plain YAML values strictly: every refusal is a ``ValueError`` that starts with the dotted key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# YAML 1.1 reads 1e-3 (no dot, or no sign after the e) as text, although everybody means the number.
_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def below(key: str, part: str) -> str:
    """Return the dotted key of ``part`` inside ``key``, which may be empty."""
    return f"{key}.{part}" if key else part


def refusal(key: str, message: str) -> ValueError:
    """Return the error for the value at ``key``."""
    return ValueError(f"{key}: {message}" if key else message)


@contextmanager
def located(key: str) -> Iterator[None]:
    """Put ``key`` before the message of a ``ValueError`` raised inside, e.g. by a constructor that knows no keys."""
    try:
        yield
    except ValueError as error:
        raise refusal(key, str(error)) from error


def name_among(value: Any, known: Collection[str], what: str) -> str:
    """Return ``value`` if it is one of the known names.

    Raises:
        ValueError: the message gives the nearest name.
    """
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"unknown {what} {value!r}{nearest(str(value), known)}")


def mapping(value: Any, allowed: Collection[str], key: str) -> dict[str, Any]:
    """Return ``value`` as a dictionary whose keys are all allowed."""
    if not isinstance(value, Mapping):
        raise refusal(key, f"expected a mapping with the keys {', '.join(allowed)}, got {value!r}")
    for name in value:
        if name not in allowed:
            raise refusal(below(key, str(name)), f"unknown key {str(name)!r}{nearest(str(name), allowed)}")
    return dict(value)


def sequence(value: Any, key: str) -> list[Any]:
    """Return ``value`` as a non-empty list."""
    if not isinstance(value, list | tuple):
        raise refusal(key, f"expected a list, got {value!r}")
    if not value:
        raise refusal(key, "expected at least one entry, got an empty list")
    return list(value)


def real(value: Any, key: str) -> float:
    """Return ``value`` as a float; text in scientific notation counts as the number it shows."""
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refusal(key, f"expected a number, got {value!r}")
    return float(value)


def integer(value: Any, key: str) -> int:
    """Return ``value`` as an int; 48.0 is not one."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal(key, f"expected a whole number, got {value!r}")
    return value


def boolean(value: Any, key: str) -> bool:
    """Return ``value`` if it is true or false."""
    if not isinstance(value, bool):
        raise refusal(key, f"expected true or false, got {value!r}")
    return value


def number_text(value: float) -> str:
    """Return the shortest text that reads back as ``value``: 1, 0.9, 1e-07."""
    value = float(value) + 0.0  # no -0
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def slug(text: str) -> str:
    """Return ``text`` with ``_`` for everything that could break a table cell, a file name or a command line."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
