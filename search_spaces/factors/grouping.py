"""Grouping: which tasks share modulation vectors, or a whole network. Rules are written without knowing the tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from search_spaces.factors.celeba_groupings import CELEBA_GROUPINGS
from search_spaces.factors.groups import (
    NAMED_GROUPS,
    SIMPLE,
    Groups,
    check_groups,
    groups_name,
    parse_groups,
    partition_of,
    plain_groups,
)
from search_spaces.factors.partitions import Partition, Tasks
from search_spaces.reading import below, located, mapping, name_among, refusal

GroupingScope = Literal["modulation", "network"]

SCOPES: tuple[GroupingScope, ...] = ("modulation", "network")
_NAMED = ("per_task", "shared", "network_per_task", *CELEBA_GROUPINGS)


@dataclass(frozen=True)
class GroupingLevel:
    """A partition of the tasks whose groups share vectors (``modulation``) or a whole network (``network``).

    ``label`` is a short name given by the user; it is no part of what the level is.
    """

    level: GroupingScope
    groups: Partition
    label: str = field(default="", compare=False)

    @property
    def canonical_name(self) -> str:
        """``per_task``, ``shared``, ``network_per_task``, or empty for any other partition."""
        if all(len(group) == 1 for group in self.groups):
            return "per_task" if self.level == "modulation" else "network_per_task"
        return "shared" if self.level == "modulation" and len(self.groups) == 1 else ""

    @property
    def name(self) -> str:
        """The canonical name, else the user's, else the groups (``a,b;c``), shortened to a hash if too long."""
        if self.canonical_name or self.label:
            return self.canonical_name or self.label
        text = groups_name(self.groups)
        return text if self.level == "modulation" else f"network({text})"

    def network_groups(self, tasks: Tasks) -> Partition:
        """Return the tasks of every network; one network for all of them when only modulation is grouped."""
        return self.groups if self.level == "network" else (tasks,)

    def modulation_groups(self, tasks: Tasks) -> Partition:
        """Return the tasks of every set of vectors; inside grouped networks every task keeps its own."""
        return self.groups if self.level == "modulation" else tuple((task,) for task in tasks)

    def identity(self) -> list[Any]:
        """Return what the level is, as JSON values: by name where it means the same on any tasks, else by groups."""
        return [self.level, self.canonical_name or [list(group) for group in self.groups]]

    def plain(self) -> dict[str, Any]:
        """Return name, level and groups as JSON values."""
        return {"name": self.name, "level": self.level, "groups": [list(group) for group in self.groups]}


@dataclass(frozen=True)
class GroupingRule:
    """A grouping as written: every task on its own, all together, published groups, drawn ones, or groups in full.

    Raises:
        ValueError: unknown level or name, an empty group, or a label that is no short plain word or is taken.
    """

    level: GroupingScope = "modulation"
    groups: Groups = "per_task"
    label: str = ""

    def __post_init__(self) -> None:
        name_among(self.level, SCOPES, "grouping level")
        if isinstance(self.groups, str):
            name_among(self.groups, NAMED_GROUPS, "grouping")
        elif isinstance(self.groups, tuple):
            check_groups(self.groups)
        if self.label in _NAMED:
            raise ValueError(f"name {self.label!r} is taken by the project; choose another")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{0,40}", self.label):
            raise ValueError(f"name must be up to 40 letters, digits, '_', '.' or '-', got {self.label!r}")

    def resolve(self, tasks: Tasks) -> GroupingLevel:
        """Return the level for these tasks, in one order and under one level however it was written.

        Raises:
            ValueError: the groups do not name every task exactly once, or do not know one of the tasks.
        """
        groups = partition_of(self.groups, tasks)
        if self.level == "network" and len(groups) == 1:  # one network for all tasks is what modulation starts from
            return GroupingLevel("modulation", tuple((task,) for task in tasks))
        return GroupingLevel(self.level, groups, self.label or self._own_name())

    def _own_name(self) -> str:
        """Return the name that named and drawn groups bring with them."""
        if isinstance(self.groups, tuple) or self.groups in SIMPLE:
            return ""
        name = self.groups if isinstance(self.groups, str) else self.groups.name
        return name if self.level == "modulation" else f"network({name})"

    def plain(self) -> str | dict[str, Any]:
        """Return the rule as it is written in a study file."""
        named = next((name for name, rule in NAMED_GROUPINGS.items() if rule == self), None)
        if named:
            return named
        values = {"level": self.level, "groups": plain_groups(self.groups)}
        return values | ({"name": self.label} if self.label else {})


GROUPINGS: dict[str, GroupingRule] = {
    "per_task": GroupingRule(),
    "shared": GroupingRule(groups="together"),
    "network_per_task": GroupingRule("network"),
}
"""The groupings that fit any tasks."""

NAMED_GROUPINGS: dict[str, GroupingRule] = GROUPINGS | {name: GroupingRule(groups=name) for name in CELEBA_GROUPINGS}
"""All that are written as a name; those of CelebA fit any of its 40 attributes."""


def parse_grouping(value: Any, key: str) -> GroupingRule:
    """Read a grouping: a name, or ``{level: modulation|network, groups: ..., name: optional}``.

    ``groups`` is a list of lists of tasks, ``per_task``, ``together``, the name of a published grouping,
    ``{random: {sizes: [3, 2, 2], seed: 1}}`` or ``{shuffled: <name or lists>, seed: 1}``.

    Raises:
        ValueError: starts with ``key``.
    """
    if isinstance(value, str):
        with located(key):
            return NAMED_GROUPINGS[name_among(value, NAMED_GROUPINGS, "grouping")]
    values = mapping(value, ("level", "groups", "name"), key)
    with located(below(key, "level")):
        scope = name_among(values.get("level", "modulation"), SCOPES, "grouping level")
    groups = parse_groups(values.get("groups"), below(key, "groups"))
    label = values.get("name", "")
    if not isinstance(label, str):
        raise refusal(below(key, "name"), f"expected text, got {label!r}")
    with located(key):
        return GroupingRule(cast("GroupingScope", scope), groups, label)
