"""The record behind a caption, and the line made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True)
class Basis:
    """On what the numbers of a figure rest.

    Attributes:
        metric: what is shown, with its chance level if that is known.
        split: of which images, such as ``test images``.
        over: how it was averaged, such as ``mean over 7 tasks``.
        interval: the kind of interval, or why there is none.
        seeds: the train seeds, as text.
        n: how many of what an interval rests on, such as ``3 trials per arm``.
        rule: short name of the rule that selected the trials; empty where none was selected.
        statement: the rule in one sentence, which begins with its name.
        reading: what lines, marks and colours mean.
    """

    metric: str
    split: str
    over: str
    interval: str
    seeds: str
    n: str
    rule: str
    statement: str
    reading: str = ""


class Part(NamedTuple):
    """A part of a caption, short for a page, which links the rule and changes the metric, and in full for a file."""

    kind: Literal["metric", "rule", "text"]
    text: str
    full: str


def caption_parts(basis: Basis) -> tuple[Part, ...]:
    """Return the caption: metric, split, average, interval, seeds, n, rule, reading."""
    seeds = f"train seeds {basis.seeds} (n = {basis.n})" if basis.seeds else f"n = {basis.n}"
    parts = [_text(basis.metric, "metric"), *map(_text, (basis.split, basis.over, basis.interval, seeds))]
    if basis.rule:
        parts.append(Part("rule", f"rule {basis.rule}", f"rule {basis.statement}"))
    else:
        parts.append(_text("no trial selected by a rule"))
    return tuple(part for part in (*parts, _text(basis.reading)) if part.text)


def _text(text: str, kind: Literal["metric", "text"] = "text") -> Part:
    return Part(kind, text, text)


def caption_line(basis: Basis) -> str:
    """Return the caption of an image file, with the rule in full.

    Example:
        >>> rule = ("best", "best: of each ...")
        >>> caption_line(Basis("accuracy", "test images", "by task", "no interval", "1", "1 trial per arm", *rule))
        'accuracy · test images · by task · no interval · train seeds 1 (n = 1 trial per arm) · rule best: of each ...'
    """
    return " · ".join(part.full for part in caption_parts(basis))
