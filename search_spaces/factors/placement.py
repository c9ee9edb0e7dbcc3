"""Placement: the stages of a backbone that are modulated. Levels are written without knowing the backbone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, RootModel

from search_spaces.names import name_among, nearest, slug

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


def _subsets(stages: Stages) -> tuple[Points, ...]:
    if len(stages) > MOST_STAGES:
        raise ValueError(f"placement 'subsets' of {len(stages)} stages are 2^{len(stages)} arms; list some of them")
    return tuple(points for count in range(len(stages) + 1) for points in combinations(stages, count))


MOST_STAGES = 10
"""Most stages whose subsets are all arms: 1,024."""

PLACEMENTS: dict[str, Callable[[Stages], tuple[Points, ...]]] = {
    "none": _none,
    "embedding": _embedding,
    "last_two": _last_two,
    "late": _late,
    "all": _all,
    "each": _each,
    "prefixes": _prefixes,
    "suffixes": _suffixes,
    "subsets": _subsets,
}
"""Placement rules by name. ``late`` is the second half of the stages: res4, res5, fc on ``simplenet``, as released."""


def _checked(value: Any) -> str | Points:
    if isinstance(value, str):
        if value in PLACEMENTS:
            return value
        hint = nearest(value, PLACEMENTS)
        if "did you mean" not in hint:
            hint += f"; a list inside the list names stages: [[{value}]]"
        raise ValueError(f"unknown placement {value!r}{hint}")
    if not isinstance(value, list | tuple) or not all(isinstance(stage, str) for stage in value):
        raise ValueError(f"expected a name ({', '.join(PLACEMENTS)}) or a list of stage names, got {value!r}")
    if not value:
        raise ValueError("an empty list of stages; write 'none' for a network without modulation")
    if len(set(value)) < len(value):
        raise ValueError(f"stages must be distinct, got {list(value)}")
    return tuple(value)


class Placement(RootModel[str | Points]):
    """A named rule (``PLACEMENTS``), or a list of stages.

    Example:
        >>> Placement("late").expand(("conv1", "res2", "res3", "fc"))
        (('res3', 'fc'),)
        >>> Placement(("fc", "res2")).expand(("conv1", "res2", "res3", "fc"))
        (('res2', 'fc'),)

    Raises:
        ValueError: The name is unknown, or the list is empty or repeats a stage.
    """

    model_config = ConfigDict(frozen=True)

    root: Annotated[str | Points, BeforeValidator(_checked)]

    def expand(self, stages: Stages) -> tuple[Points, ...]:
        """Return the sets of points that this level stands for, each in the order of ``stages``.

        Raises:
            ValueError: A listed stage is not one of ``stages``; the message suggests the closest.
        """
        if isinstance(self.root, str):
            return PLACEMENTS[self.root](stages)
        for point in self.root:
            name_among(point, stages, "stage")
        return (tuple(stage for stage in stages if stage in self.root),)


def placement_name(points: Points, stages: Stages) -> str:
    """Return the name of a set of points, independent of notation, so that equal placements have equal names.

    The name is ``none``, ``embedding``, ``late`` or ``all`` if one of these applies; otherwise a single stage's name,
    ``first..last`` for consecutive stages, or a list of stages.
    """
    for name in ("none", "embedding", "late", "all"):
        if PLACEMENTS[name](stages) == (points,):
            return name
    first = stages.index(points[0])
    if len(points) > 1 and stages[first : first + len(points)] == points:
        return f"{slug(points[0])}..{slug(points[-1])}"
    return ",".join(slug(point) for point in points)
