"""A search space: blocks of factor levels whose products are the arms, and the nuisance ranges tuned for each arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from search_spaces.arms import ONES, Arm, Levels, arm_from
from search_spaces.factors.forms import ACTIVATIONS, EQUAL, SCALE, FormLevel
from search_spaces.factors.grouping import GroupingLevel, GroupingRule
from search_spaces.factors.initialization import InitializationLevel
from search_spaces.factors.placement import PlacementRule, Points, Stages
from search_spaces.nuisance import NUISANCE, NuisanceRange, check_nuisance
from search_spaces.reading import below, located, name_among


@dataclass(frozen=True)
class Block:
    """Levels of every factor; the block stands for their product. A factor left out stays at its released level.

    Raises:
        ValueError: a factor without a level, or an unknown activation.
    """

    placement: tuple[PlacementRule, ...] = (PlacementRule("late"),)
    initialization: tuple[InitializationLevel, ...] = (ONES,)
    grouping: tuple[GroupingRule, ...] = (GroupingRule(),)
    form: tuple[FormLevel, ...] = (SCALE,)
    activation: tuple[str, ...] = ACTIVATIONS[:1]
    balancing: tuple[str, ...] = (EQUAL,)

    def __post_init__(self) -> None:
        for factor in fields(self):
            if not getattr(self, factor.name):
                raise ValueError(f"{factor.name} needs at least one level")
        for activation in self.activation:
            name_among(activation, ACTIVATIONS, "activation")

    def levels(self, stages: Stages, tasks: tuple[str, ...], key: str) -> Iterator[Levels]:
        """Yield every combination of levels.

        Raises:
            ValueError: an unknown stage or task, or groups that are no partition; starts with the dotted key.
        """
        with located(below(key, "placement")):
            placements: list[Points] = [points for rule in self.placement for points in rule.expand(stages)]
        with located(below(key, "grouping")):
            groupings: list[GroupingLevel] = [rule.resolve(tasks) for rule in self.grouping]
        for points, initialization, form, activation, grouping, balancing in product(
            placements, self.initialization, self.form, self.activation, groupings, self.balancing
        ):
            yield Levels(points, form, activation, initialization, grouping, balancing)

    def plain(self) -> dict[str, Any]:
        """Return the block as it is written in a study file."""
        return {
            "placement": [rule.plain() for rule in self.placement],
            "initialization": [level.written for level in self.initialization],
            "grouping": [rule.plain() for rule in self.grouping],
            "form": [level.name for level in self.form],
            "activation": list(self.activation),
            "balancing": list(self.balancing),
        }


@dataclass(frozen=True)
class Expansion:
    """The arms of a space on one backbone and its tasks, and how many combinations repeated an earlier arm."""

    arms: tuple[Arm, ...]
    duplicates: int


@dataclass(frozen=True)
class SearchSpace:
    """What a study varies.

    Attributes:
        blocks: Their union is the set of arms.
        nuisance: Ranges of the hyperparameters tuned for every arm, by name.
        fixed: Nuisance hyperparameters that this space holds at one value.

    Raises:
        ValueError: no block, an unknown hyperparameter, values it cannot take, or one both tuned and fixed.
    """

    blocks: tuple[Block, ...]
    nuisance: dict[str, NuisanceRange] = field(default_factory=dict)
    fixed: dict[str, float | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("blocks: expected at least one block")
        for part, values in (("nuisance", self.nuisance), ("fixed", self.fixed)):
            for name, value in values.items():
                with located(f"{part}.{name}"):
                    check_nuisance(name, value)
            # a copy in one order: what is drawn for an arm must not depend on how the file was arranged
            object.__setattr__(self, part, {name: values[name] for name in NUISANCE if name in values})
        both = sorted(self.nuisance.keys() & self.fixed.keys())
        if both:
            raise ValueError(f"fixed.{both[0]}: also has a range under nuisance.{both[0]}; keep one of them")

    def arms(self, stages: Stages, tasks: tuple[str, ...]) -> tuple[Arm, ...]:
        """Return the distinct arms in the order they are written; see ``expand``."""
        return self.expand(stages, tasks).arms

    def expand(self, stages: Stages, tasks: tuple[str, ...]) -> Expansion:
        """Return the union over blocks of the products of their levels, canonical and without repeats.

        Args:
            stages: Names of the backbone's stages in order.
            tasks: Names of the tasks in order.

        Raises:
            ValueError: no stage or no task; an unknown one; starts with the dotted key inside the space.
        """
        if not stages or not tasks:
            raise ValueError(f"arms need stages and tasks, got stages={list(stages)}, tasks={list(tasks)}")
        arms: dict[str, Arm] = {}
        combinations = 0
        for index, block in enumerate(self.blocks):
            for levels in block.levels(stages, tasks, f"blocks[{index}]"):
                arm = arm_from(levels, stages, tasks)
                arms.setdefault(arm.arm_id, arm)
                combinations += 1
        return Expansion(_with_unique_names(tuple(arms.values())), combinations - len(arms))

    def plain(self) -> dict[str, Any]:
        """Return the space as it is written in a study file."""
        return {
            "blocks": [block.plain() for block in self.blocks],
            "nuisance": {name: values.plain() for name, values in self.nuisance.items()},
            "fixed": dict(self.fixed),
        }


def _with_unique_names(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Add the start of the id to names that several arms share (long or user-given names of groups may collide)."""
    times = Counter(arm.name for arm in arms)
    return tuple(arm if times[arm.name] == 1 else replace(arm, name=f"{arm.name}-{arm.arm_id}") for arm in arms)
