"""Looking things up by name, with words for a name that is not known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TypeVar

Value = TypeVar("Value")


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, else all of them."""
    close = get_close_matches(name, known, n=1) or [other for other in known if other.casefold() == name.casefold()]
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


def look_up(key: str, name: str, known: Mapping[str, Value]) -> Value:
    """Return ``known[name]``; ``key`` says in messages what is looked up.

    Raises:
        ValueError: If the name is unknown; the message gives the nearest known one.
    """
    if name not in known:
        raise ValueError(f"{key}: unknown '{name}'{nearest(name, known)}")
    return known[name]
