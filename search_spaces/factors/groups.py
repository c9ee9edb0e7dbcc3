"""Groups as written in a study file (explicit, by name, or randomly drawn as a control) and their partitions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from search_spaces.factors.celeba_groupings import CELEBA_GROUPINGS
from search_spaces.factors.partitions import Partition, Tasks, covering, drawn, restricted, shuffled
from search_spaces.level import Level, Whole, listed
from search_spaces.names import name_among, nearest, slug

SIMPLE = ("per_task", "together")
"""Names of groups that fit any tasks: each task alone, or all tasks in one group."""

NAMED_GROUPS = (*SIMPLE, *CELEBA_GROUPINGS)

_LONGEST_NAME = 48


def _named(value: Any) -> str:
    return name_among(value, NAMED_GROUPS, "grouping")


def _published(value: Any) -> str:
    return name_among(value, CELEBA_GROUPINGS, "grouping to shuffle")


def _written_as(value: Any) -> str:
    """Return the tag of the notation in which groups are written."""
    if isinstance(value, str):
        return "name"
    if isinstance(value, RandomGroups) or (isinstance(value, Mapping) and "random" in value):
        return "random"
    return "shuffled" if isinstance(value, ShuffledGroups | Mapping) else "lists"


def _checked_shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "file" in value:
            raise ValueError("groups in a file are read with the study file that names it; there is none here")
        if not {"random", "shuffled"} & value.keys():
            hint = nearest(str(next(iter(value), "")), ("random", "shuffled", "file"))
            raise ValueError(
                f"expected random, shuffled or file, got the keys {', '.join(map(str, value)) or 'none'}{hint}"
            )
    elif not isinstance(value, str | list | tuple | RandomGroups | ShuffledGroups):
        raise ValueError(  # noqa: TRY004 - pydantic reports a ValueError
            f"expected a list of lists of task names or a name, got {value!r}"
        )
    return value


Lists = Annotated[tuple[Annotated[tuple[str, ...], BeforeValidator(listed)], ...], BeforeValidator(listed)]
"""Explicit groups: lists of task names."""


class Draw(Level):
    """Sizes of groups whose members are drawn with ``seed``."""

    sizes: Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], BeforeValidator(listed)]
    seed: Whole = 0


class RandomGroups(Level):
    """Groups of given sizes with randomly drawn members: a control that ignores how the tasks are related."""

    random: Draw

    @property
    def name(self) -> str:
        """E.g. ``random(3,2,2)-1``: sizes and seed; a long list of sizes is replaced by the number of groups."""
        sizes = ",".join(map(str, self.random.sizes))
        shown = sizes if len(sizes) <= _LONGEST_NAME else f"{len(self.random.sizes)}groups"
        return f"random({shown})-{self.random.seed}"

    def partition(self, tasks: Tasks) -> Partition:
        """Return the groups; raises ValueError if the sizes do not add up to the number of tasks."""
        return drawn(self.random.sizes, self.random.seed, tasks)


class ShuffledGroups(Level):
    """A control for a named or explicit grouping: groups of the same sizes, with members drawn with ``seed``."""

    shuffled: Annotated[
        Annotated[Annotated[str, BeforeValidator(_published)], Tag("name")] | Annotated[Lists, Tag("lists")],
        Discriminator(_written_as),
        BeforeValidator(_checked_shape),
    ]
    seed: Whole = 0

    @property
    def name(self) -> str:
        """E.g. ``celeba-mcnn-shuffled-1``."""
        of = self.shuffled if isinstance(self.shuffled, str) else groups_name(self.shuffled)
        return f"{of}-shuffled-{self.seed}"

    def partition(self, tasks: Tasks) -> Partition:
        """Return the groups; raises ValueError if the groups to shuffle do not fit the tasks."""
        return shuffled(partition_of(self.shuffled, tasks), self.seed, tasks)


Groups = Annotated[
    Annotated[Annotated[str, BeforeValidator(_named)], Tag("name")]
    | Annotated[Lists, Tag("lists")]
    | Annotated[RandomGroups, Tag("random")]
    | Annotated[ShuffledGroups, Tag("shuffled")],
    Discriminator(_written_as),
    BeforeValidator(_checked_shape),
]
"""Lists of tasks, a name (``per_task``, ``together``, or one of ``CELEBA_GROUPINGS``),
``{random: {sizes: [3, 2, 2], seed: 1}}`` or ``{shuffled: <name or lists>, seed: 1}``."""


def groups_name(groups: Partition) -> str:
    """Return the groups as text (``a,b;c``), or their number and a hash if the text is too long."""
    text = ";".join(",".join(slug(task) for task in group) for group in groups)
    if len(text) <= _LONGEST_NAME:
        return text
    return f"{len(groups)}groups-{hashlib.blake2b(json.dumps(groups).encode(), digest_size=3).hexdigest()}"


def partition_of(groups: Partition | str | RandomGroups | ShuffledGroups, tasks: Tasks) -> Partition:
    """Return the partition of the tasks, in canonical order.

    Raises:
        ValueError: Explicit groups do not name every task exactly once, a named grouping lacks a task, or sizes do not
            add up to the number of tasks.
    """
    if isinstance(groups, RandomGroups | ShuffledGroups):
        return groups.partition(tasks)
    if isinstance(groups, tuple):
        return covering(groups, tasks)
    if groups in CELEBA_GROUPINGS:
        return restricted(groups, CELEBA_GROUPINGS[groups], tasks)
    return (tasks,) if groups == "together" else tuple((task,) for task in tasks)
