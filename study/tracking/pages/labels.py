"""Labels of arms that MLflow's charts show whole: parallel coordinates cut what is longer, so that arms look alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from results.plain_text import visible

LABEL_LENGTH = 9
"""Characters of a label at most. MLflow 3.17 shows nine of a tick on a crowded axis, ten on its compare page."""

_ONE_NUMBER = re.compile(r"^(.*?)\((\d{1,3})\)")


def label_arms(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return a label for every arm by its name: the name itself where it is short enough, else an abbreviation.

    Args:
        names: of the arms, each once.
        given: labels that arms have already, by name; they stay, since a param of MLflow never changes.
    """
    labels = dict(given)
    waiting = [name for name in names if name not in labels]
    for name in sorted(waiting, key=lambda name: len(visible(name)) > LABEL_LENGTH):  # whole names come first
        labels[name] = _not_taken(_abbreviated(visible(name)) or "-", set(labels.values()))
    return labels


def _not_taken(label: str, taken: set[str]) -> str:
    candidate, number = label, 1
    while candidate in taken:
        number += 1
        candidate = f"{label[: LABEL_LENGTH - len(str(number))]}{number}"
    return candidate


def _abbreviated(name: str) -> str:
    """Return the name, or the beginnings of its parts: ``embedding+disjoint(0)-frozen`` becomes ``embe+dis0``."""
    if len(name) <= LABEL_LENGTH:
        return name
    parts = [part for part in name.split("+") if part][: (LABEL_LENGTH + 1) // 2]
    left = LABEL_LENGTH - (len(parts) - 1)
    short = {}
    for done, place in enumerate(sorted(range(len(parts)), key=lambda place: len(parts[place]))):
        short[place] = _beginning(parts[place], left // (len(parts) - done))
        left -= len(short[place])
    return "+".join(short[place] for place in range(len(parts)))


def _beginning(part: str, width: int) -> str:
    """Return the beginning of a part with its number, if it has one and there is room: ``low_rank(8)``, ``low8``."""
    found = _ONE_NUMBER.match(part)
    if found and len(found[2]) < width:
        return f"{found[1][: width - len(found[2])]}{found[2]}"
    return part[:width]
