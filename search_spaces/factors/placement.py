"""Placement: at which stages of a backbone modulation sits. Rules are written without knowing the backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from search_spaces.reading import located, name_among, nearest, refusal, slug

Stages = tuple[str, ...]
Points = tuple[str, ...]


def _none(_: Stages) -> tuple[Points, ...]:
    return ((),)


def _embedding(stages: Stages) -> tuple[Points, ...]:
    return (stages[-1:],)


def _last_two(stages: Stages) -> tuple[Points, ...]:
    return (stages[-2:],)


def _late(stages: Stages) -> tuple[Points, ...]:
    return (stages[len(stages) // 2 :],)


def _all(stages: Stages) -> tuple[Points, ...]:
    return (stages,)


def _each(stages: Stages) -> tuple[Points, ...]:
    return tuple((stage,) for stage in stages)


def _prefixes(stages: Stages) -> tuple[Points, ...]:
    return tuple(stages[: count + 1] for count in range(len(stages)))


def _suffixes(stages: Stages) -> tuple[Points, ...]:
    return tuple(stages[first:] for first in reversed(range(len(stages))))


PLACEMENTS: dict[str, Callable[[Stages], tuple[Points, ...]]] = {
    "none": _none,
    "embedding": _embedding,
    "last_two": _last_two,
    "late": _late,
    "all": _all,
    "each": _each,
    "prefixes": _prefixes,
    "suffixes": _suffixes,
}
"""Named rules. ``late`` is the second half of the stages: res4, res5, fc on ``simplenet``, as released."""


@dataclass(frozen=True)
class PlacementRule:
    """A named rule, or (name empty) a list of stages.

    Raises:
        ValueError: unknown name, no stage, or a stage twice.
    """

    name: str = ""
    points: Points = ()

    def __post_init__(self) -> None:
        if self.name:
            name_among(self.name, PLACEMENTS, "placement")
            if self.points:
                raise ValueError(f"either a name or a list of stages, got {self.name!r} and {list(self.points)}")
        elif not self.points:
            raise ValueError("an empty list of stages; write 'none' for a network without modulation")
        elif len(set(self.points)) < len(self.points):
            raise ValueError(f"stages must be distinct, got {list(self.points)}")

    def expand(self, stages: Stages) -> tuple[Points, ...]:
        """Return the sets of points this rule stands for, each in the order of ``stages``.

        Raises:
            ValueError: a listed stage is not one of ``stages``; the message gives the nearest.
        """
        if self.name:
            return PLACEMENTS[self.name](stages)
        for point in self.points:
            name_among(point, stages, "stage")
        return (tuple(stage for stage in stages if stage in self.points),)

    def plain(self) -> str | list[str]:
        """Return the rule as it is written in a study file."""
        return self.name or list(self.points)


def parse_placement(value: Any, key: str) -> PlacementRule:
    """Read a placement: a name, or a list of stage names.

    Raises:
        ValueError: starts with ``key``.
    """
    if isinstance(value, str):
        if value not in PLACEMENTS:
            hint = nearest(value, PLACEMENTS)
            if "did you mean" not in hint:
                hint += "; stages are written as a list inside the list: [[res4, fc]]"
            raise refusal(key, f"unknown placement {value!r}{hint}")
        return PlacementRule(value)
    if not isinstance(value, list | tuple) or not all(isinstance(stage, str) for stage in value):
        raise refusal(key, f"expected a name ({', '.join(PLACEMENTS)}) or a list of stage names, got {value!r}")
    with located(key):
        return PlacementRule(points=tuple(value))


def placement_name(points: Points, stages: Stages) -> str:
    """Return the name of a set of points, however it was asked for, so that equal placements have equal names.

    ``none``, ``embedding``, ``late``, ``all``; a single stage by its name; a run of stages as ``first..last``;
    anything else as a list.
    """
    for name in ("none", "embedding", "late", "all"):
        if PLACEMENTS[name](stages) == (points,):
            return name
    first = stages.index(points[0])
    if len(points) > 1 and stages[first : first + len(points)] == points:
        return f"{slug(points[0])}..{slug(points[-1])}"
    return ",".join(slug(point) for point in points)
