"""Grouping: which tasks share modulation vectors or a whole network. Levels are written without knowing the tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, SerializerFunctionWrapHandler, model_serializer, model_validator

from search_spaces.factors.celeba_groupings import CELEBA_GROUPINGS
from search_spaces.factors.groups import SIMPLE, Groups, groups_name, partition_of
from search_spaces.factors.partitions import Partition, Tasks
from search_spaces.level import Level
from search_spaces.names import name_among

Scope = Literal["modulation", "network"]

_NAMED: dict[str, dict[str, str]] = {
    "per_task": {"groups": "per_task"},
    "shared": {"groups": "together"},
    "network_per_task": {"level": "network", "groups": "per_task"},
    **{name: {"groups": name} for name in CELEBA_GROUPINGS},
}


@dataclass(frozen=True)
class GroupingLevel:
    """A partition of the tasks whose groups share vectors (``modulation``) or a whole network (``network``).

    ``label`` is a short name given by the user; it is not part of the level's identity.
    """

    level: Scope
    groups: Partition
    label: str = field(default="", compare=False)

    @property
    def canonical_name(self) -> str:
        """``per_task``, ``shared`` or ``network_per_task``; empty for any other partition."""
        if all(len(group) == 1 for group in self.groups):
            return "per_task" if self.level == "modulation" else "network_per_task"
        return "shared" if self.level == "modulation" and len(self.groups) == 1 else ""

    @property
    def name(self) -> str:
        """The canonical name, else the label, else the groups (``a,b;c``), shortened to a hash if too long."""
        if self.canonical_name or self.label:
            return self.canonical_name or self.label
        text = groups_name(self.groups)
        return text if self.level == "modulation" else f"network({text})"

    def network_groups(self, tasks: Tasks) -> Partition:
        """Return the tasks of each network; a single network serves all tasks if only modulation is grouped."""
        return self.groups if self.level == "network" else (tasks,)

    def modulation_groups(self, tasks: Tasks) -> Partition:
        """Return the tasks of each set of vectors; within grouped networks, every task has its own set."""
        return self.groups if self.level == "modulation" else tuple((task,) for task in tasks)

    def identity(self) -> list[Any]:
        """Return the JSON values that identify the level: its name if valid for any tasks, else its groups."""
        return [self.level, self.canonical_name or [list(group) for group in self.groups]]

    def to_dict(self) -> dict[str, Any]:
        """Return name, level and groups as JSON values."""
        return {"name": self.name, "level": self.level, "groups": [list(group) for group in self.groups]}


def _checked_label(value: str) -> str:
    if value in _NAMED:
        raise ValueError(f"{value!r} is taken by the project; choose another")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,40}", value):
        raise ValueError(f"must be up to 40 letters, digits, '_', '.' or '-', got {value!r}")
    return value


class Grouping(Level):
    """A grouping as written: a name, or groups and what their members share.

    Attributes:
        level: What the members of a group share: modulation or a whole network.
        groups: Each task alone, all tasks together, published groups, randomly drawn groups, or explicit groups.
        name: A short name for tables; if empty, the name follows from the groups.

    Example:
        >>> Grouping(level="network", groups=(("hat", "hair"), ("smile",))).resolve(("smile", "hair", "hat")).name
        'network(smile;hair,hat)'

    Raises:
        ValueError: The level or a named grouping is unknown, a group is empty, or ``name`` is malformed or taken.
    """

    level: Scope = "modulation"
    groups: Groups
    name: Annotated[str, AfterValidator(_checked_label)] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return _NAMED[name_among(value, _NAMED, "grouping")] if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> str | dict[str, Any]:
        """Return the grouping as written in a study file: by name if it has one."""
        named = next((name for name, grouping in GROUPINGS.items() if grouping == self), None)
        if named:
            return named
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if value != ""}

    def resolve(self, tasks: Tasks) -> GroupingLevel:
        """Return the level for these tasks, in a canonical order and scope regardless of notation.

        Raises:
            ValueError: The groups do not fit the tasks; see ``partition_of``.
        """
        groups = partition_of(self.groups, tasks)
        if self.level == "network" and len(groups) == 1:  # one network for all tasks is the base of modulation
            return GroupingLevel("modulation", tuple((task,) for task in tasks))
        return GroupingLevel(self.level, groups, self.name or self._own_name())

    def _own_name(self) -> str:
        """Return the name implied by named or randomly drawn groups; empty for other groups."""
        if isinstance(self.groups, tuple) or self.groups in SIMPLE:
            return ""
        name = self.groups if isinstance(self.groups, str) else self.groups.name
        return name if self.level == "modulation" else f"network({name})"


GROUPINGS: dict[str, Grouping] = {name: Grouping.model_validate(name) for name in _NAMED}
"""All groupings that can be written as a name; those of CelebA fit any subset of its 40 attributes."""
