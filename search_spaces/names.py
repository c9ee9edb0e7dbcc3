"""Helpers for names: suggestions for error messages, and short spellings of numbers and text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the closest known name, or all known names."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def name_among(value: Any, known: Collection[str], what: str) -> str:
    """Return ``value`` if it is one of the known names.

    Raises:
        ValueError: ``value`` is not a known name; the message suggests the closest.
    """
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"unknown {what} {value!r}{nearest(str(value), known)}")


def number_text(value: float) -> str:
    """Return the shortest text that parses back to ``value``: 1, 0.9, 1e-07."""
    value = float(value) + 0.0  # no -0
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def slug(text: str) -> str:
    """Replace each character that could break a table cell, a file name or a command line with ``_``."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
