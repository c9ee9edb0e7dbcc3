"""An arm: one combination of factor levels on a known backbone and known tasks, with a stable id and a name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.factors.forms import ACTIVATIONS, EQUAL, SCALE, FormLevel, FormTraits
from search_spaces.factors.grouping import GROUPINGS, GroupingLevel
from search_spaces.factors.initialization import Ones, Start
from search_spaces.factors.placement import Points, Stages, placement_name

ONES = Ones()


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
        balancing: How the tasks' gradients or losses become one step.
    """

    name: str
    placement_name: str
    points: Points
    form: FormLevel
    activation: str
    initialization: Start
    grouping: GroupingLevel
    balancing: str = EQUAL

    @cached_property
    def arm_id(self) -> str:
        """12 hexadecimal digits of a BLAKE2b hash of the levels; names have no part in it."""
        identity = {
            "points": self.points,
            "form": self.form.name,
            "activation": self.activation,
            "initialization": self.initialization.to_dict(),
            "grouping": self.grouping.identity(),
        } | ({} if self.balancing == EQUAL else {"balancing": self.balancing})
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return everything about the arm as JSON values, for the journal of its trials."""
        return {
            "name": self.name,
            "arm_id": self.arm_id,
            "placement_name": self.placement_name,
            "points": list(self.points),
            "form": self.form.name,
            "activation": self.activation,
            "initialization": {"name": self.initialization.name} | self.initialization.to_dict(),
            "grouping": self.grouping.to_dict(),
            "balancing": self.balancing,
        }


@dataclass(frozen=True)
class Levels:
    """One level of every factor, on a known backbone and known tasks."""

    points: Points
    form: FormLevel
    activation: str
    initialization: Start
    grouping: GroupingLevel
    balancing: str = EQUAL

    def canonical(self, traits: FormTraits, tasks: tuple[str, ...]) -> Levels:
        """Return the one form of all the levels that describe the same network, bit for bit.

        Without modulation its form, activation, initialization and grouping change nothing; a form that is not made of
        vectors has no activation and no initialization; one whose first group keeps the shared weights changes nothing
        with one group; a ReLU on frozen vectors that hold nothing below zero changes nothing; networks of one task each
        have nothing to balance. A published initialization brings its own activation.
        """
        grouping = self.grouping
        alone = grouping.level == "network" and all(len(group) == 1 for group in grouping.groups)
        balancing = EQUAL if alone else self.balancing
        bare = traits.keeps_first and (alone or (grouping.level == "modulation" and len(grouping.groups) == 1))
        if not self.points or bare:
            grouping = grouping if grouping.level == "network" else GROUPINGS["per_task"].resolve(tasks)
            return Levels((), SCALE, ACTIVATIONS[0], ONES, grouping, balancing)
        activation = ACTIVATIONS[0]
        initialization: Start = ONES
        if traits.of_vectors:
            initialization = self.initialization.canonical()
            activation = self.initialization.activation or self.activation
            if activation == "none" and initialization.stays_non_negative:
                activation = ACTIVATIONS[0]
        return Levels(self.points, self.form, activation, initialization, grouping, balancing)


def arm_from(levels: Levels, stages: Stages) -> Arm:
    """Return the arm of canonical ``levels``."""
    placement = placement_name(levels.points, stages)
    return Arm(
        name=_arm_name(levels, placement),
        placement_name=placement,
        points=levels.points,
        form=levels.form,
        activation=levels.activation,
        initialization=levels.initialization,
        grouping=levels.grouping,
        balancing=levels.balancing,
    )


def _arm_name(levels: Levels, placement: str) -> str:
    """``shared`` and ``separate``, else the placement and every level that is not the released one."""
    grouping = levels.grouping.name
    if not levels.points and grouping in {"per_task", "network_per_task"}:
        parts = ["shared" if grouping == "per_task" else "separate"]
    else:
        released = (
            (levels.initialization.name, "ones"),
            (levels.form.name, "scale"),
            (levels.activation, "relu"),
            (grouping, "per_task"),
        )
        parts = [placement, *(name for name, usual in released if name != usual)]
    return "+".join([*parts, *([levels.balancing] if levels.balancing != EQUAL else [])])
