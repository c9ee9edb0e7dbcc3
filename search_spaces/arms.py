"""An arm: one combination of factor levels on a known backbone and known tasks, with a stable id and a name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from search_spaces.grouping import GroupingLevel, GroupingRule
from search_spaces.initialization import InitializationLevel
from search_spaces.placement import Points, Stages, placement_name

Form = Literal["scale"]
Activation = Literal["relu", "none"]

FORMS: tuple[Form, ...] = ("scale",)
ACTIVATIONS: tuple[Activation, ...] = ("relu", "none")
ONES = InitializationLevel()


@dataclass(frozen=True)
class Arm:
    """One rival of a study. Made by ``SearchSpace.arms``, which brings the levels into canonical form.

    Attributes:
        name: Short, unique in its space; for tables and figures.
        placement_name: Name of ``points`` on this backbone.
        points: Modulated stages in the order of the backbone; empty for a network without modulation.
        form: What modulation does to a stage's output.
        activation: What is applied to a modulation vector before it is used.
        initialization: How the vectors start, and whether they are trained.
        grouping: Which tasks share vectors or a network.
    """

    name: str
    placement_name: str
    points: Points
    form: Form
    activation: Activation
    initialization: InitializationLevel
    grouping: GroupingLevel

    @cached_property
    def arm_id(self) -> str:
        """12 hexadecimal digits of a BLAKE2b hash of the levels; names have no part in it."""
        identity = {
            "points": self.points,
            "form": self.form,
            "activation": self.activation,
            "initialization": self.initialization.plain(),
            "grouping": self.grouping.identity(),
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def plain(self) -> dict[str, Any]:
        """Return everything about the arm as JSON values, for the journal of its trials."""
        return {
            "name": self.name,
            "arm_id": self.arm_id,
            "placement_name": self.placement_name,
            "points": list(self.points),
            "form": self.form,
            "activation": self.activation,
            "initialization": {"name": self.initialization.name} | self.initialization.plain(),
            "grouping": self.grouping.plain(),
        }


@dataclass(frozen=True)
class Levels:
    """One level of every factor, on a known backbone and known tasks."""

    points: Points
    form: Form
    activation: Activation
    initialization: InitializationLevel
    grouping: GroupingLevel

    def canonical(self, tasks: tuple[str, ...]) -> Levels:
        """Return the one form of all the levels that describe the same network, bit for bit.

        Without modulation its form, activation, initialization and grouping change nothing; a ReLU on frozen vectors
        that hold nothing below zero changes nothing.
        """
        if not self.points:
            grouping = self.grouping if self.grouping.level == "network" else GroupingRule().resolve(tasks)
            return Levels((), FORMS[0], ACTIVATIONS[0], ONES, grouping)
        initialization = self.initialization.canonical()
        activation = ACTIVATIONS[0] if initialization.stays_non_negative else self.activation
        return Levels(self.points, self.form, activation, initialization, self.grouping)


def arm_from(levels: Levels, stages: Stages, tasks: tuple[str, ...]) -> Arm:
    """Return the arm of ``levels`` in canonical form."""
    levels = levels.canonical(tasks)
    placement = placement_name(levels.points, stages)
    return Arm(
        name=_arm_name(levels, placement),
        placement_name=placement,
        points=levels.points,
        form=levels.form,
        activation=levels.activation,
        initialization=levels.initialization,
        grouping=levels.grouping,
    )


def _arm_name(levels: Levels, placement: str) -> str:
    """``shared`` and ``separate``, else the placement and every level that is not the released one."""
    grouping = levels.grouping.name
    if not levels.points and grouping in {"per_task", "network_per_task"}:
        return "shared" if grouping == "per_task" else "separate"
    released = ((levels.initialization.name, "ones"), (levels.form, "scale"), (levels.activation, "relu"))
    parts = [name for name, usual in (*released, (grouping, "per_task")) if name != usual]
    return "+".join([placement, *parts])
