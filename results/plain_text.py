"""Text from outside (names of tasks, classes and files, messages of errors) as readers may safely be shown it.

Tables keep such text raw. A terminal, a figure and a report show it through here, so that nothing in it moves the
cursor, turns the reading direction, breaks a line or hides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches

_MARK = "\N{HORIZONTAL ELLIPSIS}"
_HIDDEN_SEPARATORS = ("Zl", "Zp")


def visible(text: str) -> str:
    r"""Return text on one line, with every character that cannot be seen as its escape: ``\n``, ``\x1b``, ``\u202e``.

    Escaped are control characters, line and paragraph separators, what steers the reading direction or has no width,
    and what is no character (lone surrogates, unassigned code points). Spaces of all widths stay.
    """
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    return escaped(character) if category[0] == "C" or category in _HIDDEN_SEPARATORS else character


def escaped(character: str) -> str:
    """Return a character's escape as Python writes it."""
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, longest: int) -> str:
    """Return text of at most ``longest`` (>= 3) characters: both ends, since names mostly differ at either."""
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}{_MARK}{text[-tail:]}"


def short_names(names: Iterable[str], longest: int, show: Callable[[str], str] = visible) -> dict[str, str]:
    """Return each name as ``show`` shows it, shortened; those that would look the same are numbered (and so longer)."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        short, number = shortened(show(name), longest), 1
        while (candidate := short if number == 1 else f"{short} ({number})") in taken:
            number += 1
        shown[name] = candidate
        taken.add(candidate)
    return shown


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, else all of them."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
