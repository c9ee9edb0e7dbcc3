"""Grouping: which tasks share modulation vectors, or a whole network. Rules are written without knowing the tasks."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from search_spaces.reading import below, located, mapping, name_among, nearest, refusal, sequence, slug

GroupingScope = Literal["modulation", "network"]
Partition = tuple[tuple[str, ...], ...]
Groups = Partition | Literal["per_task", "together"]

SCOPES: tuple[GroupingScope, ...] = ("modulation", "network")
_NAMED = ("per_task", "shared", "network_per_task")
_LONGEST_NAME = 48


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
        text = ";".join(",".join(slug(task) for task in group) for group in self.groups)
        if len(text) > _LONGEST_NAME:
            digest = hashlib.blake2b(json.dumps(self.groups).encode(), digest_size=3).hexdigest()
            text = f"{len(self.groups)}groups-{digest}"
        return text if self.level == "modulation" else f"network({text})"

    def network_groups(self, tasks: tuple[str, ...]) -> Partition:
        """Return the tasks of every network; one network for all of them when only modulation is grouped."""
        return self.groups if self.level == "network" else (tasks,)

    def modulation_groups(self, tasks: tuple[str, ...]) -> Partition:
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
    """A grouping as written: every task on its own, all together, or the groups themselves.

    Raises:
        ValueError: unknown level, an empty group, or a label that is no short plain word or is taken.
    """

    level: GroupingScope = "modulation"
    groups: Groups = "per_task"
    label: str = ""

    def __post_init__(self) -> None:
        name_among(self.level, SCOPES, "grouping level")
        if not isinstance(self.groups, str) and not all(self.groups):
            raise ValueError(f"groups must not be empty, got {[list(group) for group in self.groups]}")
        if self.label in _NAMED:
            raise ValueError(f"name {self.label!r} is taken by the project; choose another")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{0,40}", self.label):
            raise ValueError(f"name must be up to 40 letters, digits, '_', '.' or '-', got {self.label!r}")

    def resolve(self, tasks: tuple[str, ...]) -> GroupingLevel:
        """Return the level for these tasks, in one order and under one level however it was written.

        Raises:
            ValueError: the groups do not name every task exactly once.
        """
        groups = self._partition(tasks)
        if self.level == "network" and len(groups) == 1:  # one network for all tasks is what modulation starts from
            return GroupingLevel("modulation", tuple((task,) for task in tasks))
        return GroupingLevel(self.level, groups, self.label)

    def _partition(self, tasks: tuple[str, ...]) -> Partition:
        if isinstance(self.groups, str):
            return (tasks,) if self.groups == "together" else tuple((task,) for task in tasks)
        named = Counter(task for group in self.groups for task in group)
        for task, times in named.items():
            if task not in tasks:
                raise ValueError(f"unknown task {task!r}{nearest(task, tasks)}")
            if times > 1:
                raise ValueError(f"task {task!r} is named {times} times; groups name every task exactly once")
        missing = [task for task in tasks if task not in named]
        if missing:
            raise ValueError(f"no group holds {', '.join(map(repr, missing))}; groups name every task exactly once")
        ordered = (tuple(task for task in tasks if task in group) for group in self.groups)
        return tuple(sorted(ordered, key=lambda group: tasks.index(group[0])))

    def plain(self) -> str | dict[str, Any]:
        """Return the rule as it is written in a study file."""
        named = next((name for name, rule in GROUPINGS.items() if rule == self), None)
        if named:
            return named
        groups = self.groups if isinstance(self.groups, str) else [list(group) for group in self.groups]
        return {"level": self.level, "groups": groups} | ({"name": self.label} if self.label else {})


GROUPINGS: dict[str, GroupingRule] = dict(
    zip(_NAMED, (GroupingRule(), GroupingRule(groups="together"), GroupingRule("network")), strict=True)
)
"""The groupings that need no list of tasks."""


def parse_grouping(value: Any, key: str) -> GroupingRule:
    """Read a grouping: a name, or ``{level: modulation|network, groups: [[task, ...], ...], name: optional}``.

    Instead of a list, ``groups`` may be ``per_task`` or ``together``.

    Raises:
        ValueError: starts with ``key``.
    """
    if isinstance(value, str):
        with located(key):
            return GROUPINGS[name_among(value, GROUPINGS, "grouping")]
    values = mapping(value, ("level", "groups", "name"), key)
    with located(below(key, "level")):
        scope = name_among(values.get("level", "modulation"), SCOPES, "grouping level")
    groups = _parse_groups(values.get("groups"), below(key, "groups"))
    label = values.get("name", "")
    if not isinstance(label, str):
        raise refusal(below(key, "name"), f"expected text, got {label!r}")
    with located(key):
        return GroupingRule(cast("GroupingScope", scope), groups, label)


def _parse_groups(value: Any, key: str) -> Groups:
    if value in ("per_task", "together"):
        return cast("Groups", value)
    if not isinstance(value, list | tuple):
        raise refusal(key, f"expected a list of lists of task names, per_task or together, got {value!r}")
    groups = []
    for index, group in enumerate(sequence(value, key)):
        names = sequence(group, f"{key}[{index}]")
        if not all(isinstance(name, str) for name in names):
            raise refusal(f"{key}[{index}]", f"expected task names, got {group!r}")
        groups.append(tuple(names))
    return tuple(groups)
