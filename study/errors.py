"""Errors a user can act on, and the hint that names what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The message names the file, the key, the value and the rule."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known name, or all known names when none is near.

    Args:
        name: what was given.
        known: what would have been accepted.

    Returns:
        ``"; did you mean 'x'?"``, ``"; known: a, b, c"``, or an empty text when nothing is known.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
