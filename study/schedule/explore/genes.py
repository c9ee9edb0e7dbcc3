"""What a sampler proposes: which stages are modulated and a level of every other factor; and the arm this gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.arms import Arm, canonical
from search_spaces.block import FACTORS
from search_spaces.factors.kinds import Placed
from study.plan.plan import PlannedArm, StudyPlan

PLACEMENT = "placement"


@dataclass(frozen=True)
class Genes:
    """The genes of a study's arms: every factor of which the arms have several levels.

    The placement is one bit per stage if a block of the space has the level ``subsets``, otherwise one gene like any
    other. A combination need not be one of the study's arms.

    Attributes:
        plan: the study, with all arms of its space within the budget.
    """

    plan: StudyPlan

    @cached_property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """The alternatives of every gene by its name, in order of the arms."""
        bits = {f"{PLACEMENT}.{stage}": ("off", "on") for stage in self._bits}
        named = {name: tuple(levels) for name, levels in self._levels.items() if not (bits and name == PLACEMENT)}
        return bits | {name: found for name, found in named.items() if len(found) > 1}

    def arm_id(self, chosen: Mapping[str, str]) -> str:
        """Return the id of the arm that these alternatives describe, which the study may lack."""
        levels = {name: found[chosen.get(name, next(iter(found)))] for name, found in self._levels.items()}
        if self._bits:
            points = tuple(stage for stage in self._bits if chosen[f"{PLACEMENT}.{stage}"] == "on")
            levels[PLACEMENT] = Placed(points)  # the name is no part of an arm's identity
        traits = self._forms[levels["form"].kind]
        return Arm("", canonical(levels, traits, self.plan.definition.data.tasks)).arm_id

    def of(self, arm: PlannedArm) -> dict[str, str]:
        """Return the alternatives that describe an arm; the inverse of ``arm_id``."""
        bits = {f"{PLACEMENT}.{stage}": "on" if stage in arm.arm.points else "off" for stage in self._bits}
        named = {
            name: next(label for label, level in self._levels[name].items() if level == arm.arm.levels[name])
            for name in self.choices
            if name not in bits
        }
        return bits | named

    @cached_property
    def arms(self) -> dict[str, PlannedArm]:
        """The study's arms by id."""
        return {arm.arm.arm_id: arm for arm in self.plan.arms}

    @cached_property
    def excess(self) -> dict[str, float]:
        """By how much each arm over the budget exceeds it, as a share of the limit, by arm id."""
        return {arm.arm_id: arm.excess for arm in self.plan.over_budget}

    @cached_property
    def _levels(self) -> dict[str, dict[str, Any]]:
        """Levels of every factor by a name that no other level of the factor has."""
        found: dict[str, dict[str, Any]] = {}
        for name, factor in FACTORS.items():
            distinct: list[Any] = []
            for arm in self.plan.arms:
                if arm.arm.levels[name] not in distinct:
                    distinct.append(arm.arm.levels[name])
            labels = [factor.name_of(level) for level in distinct]
            found[name] = {
                label if labels.count(label) == 1 else f"{label}#{place}": level
                for place, (label, level) in enumerate(zip(labels, distinct, strict=True))
            }
        return found

    @cached_property
    def _bits(self) -> tuple[str, ...]:
        """The stages that have a gene of their own, in backbone order; those that no arm can afford have none."""
        from trainables.networks.backbones import stage_shapes

        definition = self.plan.definition
        if not any(level.root == "subsets" for block in definition.space.blocks for level in block.placement):
            return ()
        stages = (shape.name for shape in stage_shapes(definition.network, definition.data.image_size))
        return tuple(stage for stage in stages if any(stage in arm.arm.points for arm in self.plan.arms))

    @cached_property
    def _forms(self) -> Mapping[str, Any]:
        from trainables.networks.modulation import known_forms

        return known_forms(tuple(dict.fromkeys(level.kind for level in self._levels["form"].values())))
