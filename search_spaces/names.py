"""Names: the nearest known one for a message, and short spellings of numbers and of text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or else all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def name_among(value: Any, known: Collection[str], what: str) -> str:
    """Return ``value`` if it is one of the known names.

    Raises:
        ValueError: the message gives the nearest name.
    """
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"unknown {what} {value!r}{nearest(str(value), known)}")


def number_text(value: float) -> str:
    """Return the shortest text that reads back as ``value``: 1, 0.9, 1e-07."""
    value = float(value) + 0.0  # no -0
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def slug(text: str) -> str:
    """Return ``text`` with ``_`` for everything that could break a table cell, a file name or a command line."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
