"""A search space: blocks of factor levels whose products are the arms, and the nuisance ranges tuned for each arm."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from search_spaces.arms import Arm, arm_name, canonical
from search_spaces.block import Block
from search_spaces.factors.factor import Known
from search_spaces.factors.forms import Forms
from search_spaces.factors.placement import Stages
from search_spaces.level import Level, listed, refusal_at
from search_spaces.nuisance import WRITTEN, Ranges, Values


@dataclass(frozen=True)
class Expansion:
    """The arms of a space on one backbone and its tasks, and how many combinations repeated an earlier arm."""

    arms: tuple[Arm, ...]
    duplicates: int


class SearchSpace(Level):
    """What a study varies.

    Attributes:
        blocks: Their union is the set of arms.
        nuisance: Ranges of the hyperparameters tuned for every arm, by name.
        fixed: Nuisance hyperparameters that this space holds at one value.

    Example:
        >>> space = SearchSpace.model_validate(
        ...     {"blocks": [{"placement": ["none", "late"]}], "nuisance": {"margin": [0.1, 0.2]}}
        ... )
        >>> [placement.root for placement in space.blocks[0].placement]
        ['none', 'late']

    Raises:
        ValueError: no block, an unknown hyperparameter, values it cannot take, or one both tuned and fixed.
    """

    blocks: Annotated[tuple[Block, ...], BeforeValidator(listed)]
    nuisance: Ranges = Field({})
    fixed: Values = Field({})

    @model_validator(mode="after")
    def _nothing_is_tuned_and_fixed(self) -> SearchSpace:
        both = [written for written, name in WRITTEN.items() if name in self.nuisance and name in self.fixed]
        if both:
            rule = f"also has a range under nuisance.{both[0]}; keep one of them"
            raise refusal_at(("fixed", both[0]), rule, self.fixed[WRITTEN[both[0]]])
        return self

    def arms(self, stages: Stages, tasks: tuple[str, ...], forms: Forms) -> tuple[Arm, ...]:
        """Return the distinct arms in the order they are written; see ``expand``."""
        return self.expand(stages, tasks, forms).arms

    @property
    def form_kinds(self) -> tuple[str, ...]:
        """The forms that the space names, in order."""
        return tuple(dict.fromkeys(form.kind for block in self.blocks for form in block.form))

    def expand(self, stages: Stages, tasks: tuple[str, ...], forms: Forms) -> Expansion:
        """Return the union over blocks of the products of their levels, canonical and without repeats.

        Args:
            stages: Names of the backbone's stages in order.
            tasks: Names of the tasks in order.
            forms: Traits of every form that may be named.

        Raises:
            ValueError: no stage or no task; an unknown one; starts with the dotted key inside the space.
        """
        if not stages or not tasks:
            raise ValueError(f"arms need stages and tasks, got stages={list(stages)}, tasks={list(tasks)}")
        known = Known(stages, tasks, forms)
        arms: dict[str, Arm] = {}
        combinations = 0
        for index, block in enumerate(self.blocks):
            try:
                for written in block.combinations(known):
                    levels = canonical(written, forms[written["form"].kind], tasks)
                    arm = Arm(arm_name(levels), levels)
                    arms.setdefault(arm.arm_id, arm)
                    combinations += 1
            except ValueError as error:
                raise ValueError(f"blocks[{index}].{error}") from error
        return Expansion(_with_unique_names(tuple(arms.values())), combinations - len(arms))

    def written(self) -> dict[str, Any]:
        """Return the space in the form of a study file, with the recorded names of hyperparameters."""
        return self.model_dump(mode="json")


def _with_unique_names(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Add the start of the id to names that several arms share (long or user-given names of groups may collide)."""
    times = Counter(arm.name for arm in arms)
    return tuple(arm if times[arm.name] == 1 else replace(arm, name=f"{arm.name}-{arm.arm_id}") for arm in arms)
