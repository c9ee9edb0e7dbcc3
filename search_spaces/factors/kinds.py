"""The factors with structured levels: how each is resolved, named, recorded and turned into trial settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from search_spaces.factors.factor import Factor, Known, name_in
from search_spaces.factors.forms import Form, FormLevel
from search_spaces.factors.grouping import Grouping, GroupingLevel
from search_spaces.factors.initialization import Start
from search_spaces.factors.placement import Placement, Points, placement_name

EQUAL_STEPS: Final = "steps"
"""All arms take as many training steps."""

EQUAL_COST: Final = "multiply_adds"
"""All arms compute as much in training."""

Budgets = Literal["steps", "multiply_adds", "both"]
"""``budget`` of a study file."""


class BudgetFactor(Factor):
    """What training is equal in among arms. Its settings depend on the cost of the arm, so the plan adds them."""

    def settings(self, level: Any, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - the plan adds them
        """Return no settings."""
        return {}


@dataclass(frozen=True)
class Placed:
    """Modulated stages in backbone order (empty for none), and the name of this placement on the backbone."""

    points: Points = ()
    name: str = "none"


class PlacementFactor(Factor):
    """Where modulation is placed; one written placement may stand for several sets of stages."""

    def resolve(self, level: Placement, known: Known) -> tuple[Placed, ...]:
        """Return every set of stages."""
        return tuple(Placed(points, placement_name(points, known.stages)) for points in level.expand(known.stages))

    def name_of(self, level: Placed) -> str:
        """Return the name of the placement."""
        return level.name

    def identity(self, level: Placed) -> dict[str, Any]:
        """Return the stages; names are not part of an arm's identity."""
        return {"points": level.points}

    def record(self, level: Placed) -> dict[str, Any]:
        """Return name and stages."""
        return {"placement_name": level.name, "points": list(level.points)}

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return name and stages."""
        return {"placement": str(record["placement_name"]), "points": ",".join(record["points"])}

    def settings(self, level: Placed, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - stages need no tasks
        """Return the stages."""
        return {"modulation.points": list(level.points)}


class InitializationFactor(Factor):
    """How vectors are initialized."""

    def name_of(self, level: Start) -> str:
        """Return the name, such as ``normal(0.9,0.7)``."""
        return level.name

    def identity(self, level: Start) -> dict[str, Any]:
        """Return the kind, its numbers, and whether the vectors are trained."""
        return {self.name: level.to_dict()}

    def record(self, level: Start) -> dict[str, Any]:
        """Return the identity plus the name."""
        return {self.name: {"name": level.name} | level.to_dict()}

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return the name."""
        return {self.name: name_in(record[self.name])}

    def settings(self, level: Start, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - starts need no tasks
        """Return the complete ``modulation.initialization`` section."""
        return {self.setting: level.to_dict()}


class FormFactor(Factor):
    """The form of modulation, with its number."""

    def resolve(self, level: Form, known: Known) -> tuple[FormLevel, ...]:
        """Return the form with its number, which defaults to the published one."""
        return (level.resolve(known.forms),)

    def name_of(self, level: FormLevel) -> str:
        """Return the name, such as ``low_rank(4)``."""
        return level.name

    def identity(self, level: FormLevel) -> dict[str, Any]:
        """Return the name, which identifies form and number."""
        return {self.name: level.name}

    def record(self, level: FormLevel) -> dict[str, Any]:
        """Return the name."""
        return {self.name: level.name}

    def settings(self, level: FormLevel, tasks: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002 - forms need none
        """Return form and number."""
        return {"modulation.form": level.kind, "modulation.size": level.size}


class GroupingFactor(Factor):
    """Which tasks share vectors or a network. The released level (each task alone) depends on the tasks."""

    @property
    def usual_name(self) -> str:
        """Name of the released level: each task alone."""
        return "per_task"

    def resolve(self, level: Grouping, known: Known) -> tuple[GroupingLevel, ...]:
        """Return the partition of the tasks."""
        return (level.resolve(known.tasks),)

    def name_of(self, level: GroupingLevel) -> str:
        """Return the name of the partition."""
        return level.name

    def identity(self, level: GroupingLevel) -> dict[str, Any]:
        """Return the scope and the groups, by name if the name is valid for any tasks."""
        return {self.name: level.identity()}

    def record(self, level: GroupingLevel) -> dict[str, Any]:
        """Return name, level and groups."""
        return {self.name: level.to_dict()}

    def columns(self, record: Mapping[str, Any]) -> dict[str, str]:
        """Return name and level; a record that consists only of the name yields no level."""
        recorded = record[self.name]
        level = {"grouping_level": str(recorded["level"])} if isinstance(recorded, Mapping) else {}
        return {self.name: name_in(recorded)} | level

    def settings(self, level: GroupingLevel, tasks: tuple[str, ...]) -> dict[str, Any]:
        """Return the groups that share vectors and the groups that share a network."""
        return {
            "modulation.groups": level.modulation_groups(tasks),
            "network_groups": level.network_groups(tasks),
        }
