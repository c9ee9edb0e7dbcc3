"""The properties of a factor other than its levels, declared once, on its field of ``Block``.

Plan, journal, tables and MLflow all derive from this declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from search_spaces.factors.forms import Forms
from search_spaces.factors.placement import Stages

Acts = Literal["always", "where modulated", "on vectors", "where balanced"]
"""Where a factor has an effect: everywhere, in modulated networks, on vectors, in networks with several tasks."""


@dataclass(frozen=True)
class Known:
    """What resolving a level requires: stages and tasks in order, and the traits of every form."""

    stages: Stages
    tasks: tuple[str, ...]
    forms: Forms


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor whose levels are words, each the value of one trial setting. Subclasses handle other kinds of levels.

    Attributes:
        released: The level of the released method; arm names omit it, and levels without effect are replaced by it.
        acts: Where the factor has an effect.
        setting: Dotted key of the trial configuration that takes the level.
        in_every_id: Whether arm ids include the released level. True for the original factors; later factors omit it,
            so that the ids of existing arms do not change.
        name: Name of the field of ``Block``, filled in from there.
    """

    released: Any
    acts: Acts = "always"
    setting: str = ""
    in_every_id: bool = False
    name: str = ""

    @property
    def usual_name(self) -> str:
        """Name of the released level, which arm names omit."""
        return self.name_of(self.released)

    def resolve(self, level: Any, known: Known) -> tuple[Any, ...]:  # noqa: ARG002 - words mean the same everywhere
        """Return the resolved levels that a written level stands for; raises ValueError if it is invalid."""
        return (level,)

    def name_of(self, level: Any) -> str:
        """Return the name of the level as used in arm names."""
        return str(level)

    def identity(self, level: Any) -> dict[str, Any]:
        """Return the JSON values that identify the level in arm ids."""
        return {self.name: level}

    def record(self, level: Any) -> dict[str, Any]:
        """Return a complete record of the level as JSON values, for the journal and plan."""
        return {self.name: level}

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return the table columns from the record of an arm; records older than the factor lack it."""
        return {self.name: str(record.get(self.name, self.released))}

    def settings(self, level: Any, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - words need no tasks
        """Return the trial settings of the level by dotted key."""
        return {self.setting: level}


def name_in(level: Any) -> str:
    """Return the name of a recorded level, which is either a mapping with a name or just the name."""
    return str(level["name"]) if isinstance(level, Mapping) else str(level)
