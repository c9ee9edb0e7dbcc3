"""Groups as a study file writes them: in full, by name, or drawn as a control; and the partition they stand for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.factors.celeba_groupings import CELEBA_GROUPINGS
from search_spaces.factors.partitions import Partition, Tasks, covering, drawn, restricted, shuffled
from search_spaces.reading import below, integer, located, mapping, name_among, nearest, refusal, sequence, slug

SIMPLE = ("per_task", "together")
"""Names of groups that fit any tasks: everyone alone, all in one."""

NAMED_GROUPS = (*SIMPLE, *CELEBA_GROUPINGS)

_LONGEST_NAME = 48


@dataclass(frozen=True)
class RandomGroups:
    """Groups of these sizes with members drawn by ``seed``: what a grouping is worth that knows nothing of the tasks.

    Raises:
        ValueError: no size, or one below 1.
    """

    sizes: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes must be whole numbers from 1, got {list(self.sizes)}")

    @property
    def name(self) -> str:
        """E.g. ``random(3,2,2)-1``: sizes and seed; only the number of groups where the sizes are too many."""
        sizes = ",".join(map(str, self.sizes))
        return f"random({sizes if len(sizes) <= _LONGEST_NAME else f'{len(self.sizes)}groups'})-{self.seed}"

    def partition(self, tasks: Tasks) -> Partition:
        """Return the groups; ValueError if the sizes do not add up to the number of tasks."""
        return drawn(self.sizes, self.seed, tasks)

    def plain(self) -> dict[str, Any]:
        """Return the groups as they are written in a study file."""
        return {"random": {"sizes": list(self.sizes), "seed": self.seed}}


@dataclass(frozen=True)
class ShuffledGroups:
    """Groups of the sizes of ``of`` (a named grouping, or groups) with members drawn by ``seed``: its control.

    Raises:
        ValueError: an unknown name, or an empty group.
    """

    of: Partition | str
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.of, str):
            name_among(self.of, CELEBA_GROUPINGS, "grouping to shuffle")
        else:
            check_groups(self.of)

    @property
    def name(self) -> str:
        """E.g. ``celeba-mcnn-shuffled-1``."""
        return f"{self.of if isinstance(self.of, str) else groups_name(self.of)}-shuffled-{self.seed}"

    def partition(self, tasks: Tasks) -> Partition:
        """Return the groups; ValueError if those to be shuffled do not fit the tasks."""
        return shuffled(partition_of(self.of, tasks), self.seed, tasks)

    def plain(self) -> dict[str, Any]:
        """Return the groups as they are written in a study file."""
        return {"shuffled": plain_groups(self.of), "seed": self.seed}


Groups = Partition | str | RandomGroups | ShuffledGroups
"""Written out, by name (``per_task``, ``together``, or one of ``CELEBA_GROUPINGS``), or drawn."""


def groups_name(groups: Partition) -> str:
    """Return the groups as text (``a,b;c``), or their number and a hash where that is too long."""
    text = ";".join(",".join(slug(task) for task in group) for group in groups)
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{len(groups)}groups-{hashlib.blake2b(json.dumps(groups).encode(), digest_size=3).hexdigest()}"


def check_groups(groups: Partition) -> None:
    """Refuse an empty group with a ValueError."""
    if not all(groups):
        raise ValueError(f"groups must not be empty, got {[list(group) for group in groups]}")


def partition_of(groups: Groups, tasks: Tasks) -> Partition:
    """Return the partition of the tasks, in order.

    Raises:
        ValueError: the groups do not name every task exactly once, do not know one, or have sizes that do not fit.
    """
    if isinstance(groups, RandomGroups | ShuffledGroups):
        return groups.partition(tasks)
    if isinstance(groups, tuple):
        return covering(groups, tasks)
    if groups in CELEBA_GROUPINGS:
        return restricted(groups, CELEBA_GROUPINGS[groups], tasks)
    return (tasks,) if groups == "together" else tuple((task,) for task in tasks)


def plain_groups(groups: Groups) -> str | list[list[str]] | dict[str, Any]:
    """Return groups as they are written in a study file."""
    if isinstance(groups, tuple):
        return [list(group) for group in groups]
    return groups if isinstance(groups, str) else groups.plain()


def parse_groups(value: Any, key: str) -> Groups:
    """Read groups: lists of tasks, a name, ``{random: {sizes, seed}}`` or ``{shuffled: name or lists, seed}``.

    Raises:
        ValueError: starts with ``key``.
    """
    if isinstance(value, str):
        with located(key):
            return name_among(value, NAMED_GROUPS, "grouping")
    if not isinstance(value, Mapping):
        return _parse_lists(value, key)
    if "file" in value:
        raise refusal(key, "groups in a file are read with the study file that names it; there is none here")
    kind = next((name for name in ("random", "shuffled") if name in value), None)
    if kind is None:
        hint = nearest(str(next(iter(value), "")), ("random", "shuffled", "file"))
        raise refusal(
            key, f"expected random, shuffled or file, got the keys {', '.join(map(str, value)) or 'none'}{hint}"
        )
    return _parse_random(value, key) if kind == "random" else _parse_shuffled(value, key)


def _parse_random(value: Any, key: str) -> RandomGroups:
    place = below(key, "random")
    values = mapping(mapping(value, ("random",), key)["random"], ("sizes", "seed"), place)
    written = sequence(values.get("sizes"), below(place, "sizes"))
    sizes = tuple(integer(size, f"{below(place, 'sizes')}[{index}]") for index, size in enumerate(written))
    with located(place):
        return RandomGroups(sizes, integer(values.get("seed", 0), below(place, "seed")))


def _parse_shuffled(value: Any, key: str) -> ShuffledGroups:
    values, place = mapping(value, ("shuffled", "seed"), key), below(key, "shuffled")
    of = values["shuffled"]
    groups = of if isinstance(of, str) else _parse_lists(of, place)
    seed = integer(values.get("seed", 0), below(key, "seed"))
    with located(place):
        return ShuffledGroups(groups, seed)


def _parse_lists(value: Any, key: str) -> Partition:
    if not isinstance(value, list | tuple):
        raise refusal(key, f"expected a list of lists of task names or a name, got {value!r}")
    groups = []
    for index, group in enumerate(sequence(value, key)):
        names = sequence(group, f"{key}[{index}]")
        if not all(isinstance(name, str) for name in names):
            raise refusal(f"{key}[{index}]", f"expected task names, got {group!r}")
        groups.append(tuple(names))
    return tuple(groups)
