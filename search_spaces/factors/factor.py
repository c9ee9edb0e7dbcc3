"""What a study needs to know of a factor beside its levels: declared once, on its field of ``Block``.

Plan, journal, tables and MLflow are derived from this declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from search_spaces.factors.forms import Forms
from search_spaces.factors.placement import Stages

Acts = Literal["always", "where modulated", "on vectors", "where balanced"]
"""Where a factor makes a difference: everywhere, in modulated networks, on vectors, in networks of several tasks."""


@dataclass(frozen=True)
class Known:
    """What is known when a study is planned: stages and tasks in order, and the traits of every form."""

    stages: Stages
    tasks: tuple[str, ...]
    forms: Forms


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor whose levels are words, each the value of one setting of a trial. Others override what differs.

    Attributes:
        released: The level of the released method; arm names leave it out, and idle levels become it.
        acts: Where the factor makes a difference.
        setting: Dotted key of a trial's configuration that the level becomes.
        in_every_id: Whether the id of an arm holds the released level too, as for the factors that there were from the
            start. A later factor is left out there, so that the ids of existing arms stay.
        name: The field of ``Block``, filled in from there.
    """

    released: Any
    acts: Acts = "always"
    setting: str = ""
    in_every_id: bool = False
    name: str = ""

    @property
    def usual_name(self) -> str:
        """The name that arm names leave out."""
        return self.name_of(self.released)

    def resolve(self, level: Any, known: Known) -> tuple[Any, ...]:  # noqa: ARG002 - words mean the same everywhere
        """Return the level that a text names; ValueError if there is none."""
        return (level,)

    def name_of(self, level: Any) -> str:
        """Return the level's name in the name of an arm."""
        return str(level)

    def identity(self, level: Any) -> dict[str, Any]:
        """Return what the level is, as JSON values, for the id of an arm."""
        return {self.name: level}

    def record(self, level: Any) -> dict[str, Any]:
        """Return everything about the level, as JSON values, for journal and plan."""
        return {self.name: level}

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return the columns of the tables from the record of an arm, which lacks the factor if it is older."""
        return {self.name: str(record.get(self.name, self.released))}

    def settings(self, level: Any, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - words need no tasks
        """Return the settings of a trial by dotted key."""
        return {self.setting: level}


def name_in(level: Any) -> str:
    """Return the name of a recorded level, which is a mapping with a name, or only its name."""
    return str(level["name"]) if isinstance(level, Mapping) else str(level)
