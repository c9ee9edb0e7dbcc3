"""Search spaces: blocks of factor levels whose products are the arms, and the nuisance ranges tuned for each arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from search_spaces.arms import Arm, arm_name, canonical
from search_spaces.block import Block
from search_spaces.budget import Budget
from search_spaces.factors.factor import Known
from search_spaces.factors.forms import Forms
from search_spaces.factors.kinds import EQUAL_COST, EQUAL_STEPS, Budgets
from search_spaces.factors.placement import Stages
from search_spaces.level import Flag, Level, listed, refusal_at
from search_spaces.nuisance import WRITTEN, Ranges, Values


@dataclass(frozen=True)
class Expansion:
    """The arms of a space for one backbone and its tasks, and the number of combinations that repeat an earlier arm."""

    arms: tuple[Arm, ...]
    duplicates: int


class SearchSpace(Level):
    """The space of arms and nuisance hyperparameters that a study explores.

    Attributes:
        blocks: Blocks of factor levels; their union is the set of arms.
        nuisance: Ranges of the hyperparameters tuned for every arm, by name.
        fixed: Values of nuisance hyperparameters that are not tuned, by name.
        budget: What an arm may cost at most; the plan of a study leaves out the arms that exceed it.
        tune_own: Whether the values that a form or balancing method declares as its own are tuned in its arms, over
            the declared ranges; a range in ``nuisance`` or a value in ``fixed`` comes first.

    Example:
        >>> space = SearchSpace.model_validate(
        ...     {"blocks": [{"placement": ["none", "late"]}], "nuisance": {"margin": [0.1, 0.2]}}
        ... )
        >>> [placement.root for placement in space.blocks[0].placement]
        ['none', 'late']

    Raises:
        ValueError: There is no block, or a hyperparameter is unknown, has invalid values, or is both tuned and fixed.
    """

    blocks: Annotated[tuple[Block, ...], BeforeValidator(listed)]
    nuisance: Ranges = Field({})
    fixed: Values = Field({})
    budget: Budget = Budget()
    tune_own: Flag = False

    @model_validator(mode="after")
    def _nothing_is_tuned_and_fixed(self) -> SearchSpace:
        both = [written for written, name in WRITTEN.items() if name in self.nuisance and name in self.fixed]
        if both:
            rule = f"also has a range under nuisance.{both[0]}; keep one of them"
            raise refusal_at(("fixed", both[0]), rule, self.fixed[WRITTEN[both[0]]])
        return self

    def arms(self, stages: Stages, tasks: tuple[str, ...], forms: Forms) -> tuple[Arm, ...]:
        """Return the distinct arms in the order in which they are written; see ``expand``."""
        return self.expand(stages, tasks, forms).arms

    def with_ranges(self, declared: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
        """Return the space with these ranges tuned too, except of values that it tunes or fixes itself."""
        more = {name: values for name, values in declared.items() if name not in self.nuisance | self.fixed}
        return SearchSpace.model_validate({**self.written(), "nuisance": self.written()["nuisance"] | more})

    @property
    def form_kinds(self) -> tuple[str, ...]:
        """Names of the forms in the space, in order and without repeats."""
        return tuple(dict.fromkeys(form.kind for block in self.blocks for form in block.form))

    def expand(self, stages: Stages, tasks: tuple[str, ...], forms: Forms, budget: Budgets = EQUAL_STEPS) -> Expansion:
        """Return the union of the blocks' products, with canonical levels and without repeats.

        Args:
            stages: Names of the backbone's stages in order.
            tasks: Names of the tasks in order.
            forms: Traits of every available form.
            budget: What the training of arms has in common; with ``both``, arms come twice and their names tell it.

        Raises:
            ValueError: There is no stage or no task, or a level does not fit them. In the second case the message
                starts with the dotted key inside the space.
        """
        if not stages or not tasks:
            raise ValueError(f"arms need stages and tasks, got stages={list(stages)}, tasks={list(tasks)}")
        known = Known(stages, tasks, forms)
        arms: dict[str, Arm] = {}
        combinations = 0
        for index, block in enumerate(self.blocks):
            try:
                for written, level in product(block.combinations(known), levels_of(budget)):
                    levels = canonical({**written, "budget": level}, forms[written["form"].kind], tasks)
                    named = levels if budget == "both" else {**levels, "budget": EQUAL_STEPS}
                    arm = Arm(arm_name(named), levels)
                    arms.setdefault(arm.arm_id, arm)
                    combinations += 1
            except ValueError as error:
                raise ValueError(f"blocks[{index}].{error}") from error
        return Expansion(_with_unique_names(tuple(arms.values())), combinations - len(arms))

    def written(self) -> dict[str, Any]:
        """Return the space in study-file form, with the recorded names of hyperparameters."""
        return self.model_dump(mode="json")


def levels_of(budget: Budgets) -> tuple[str, ...]:
    """Return the levels of the factor ``budget``."""
    return (EQUAL_STEPS, EQUAL_COST) if budget == "both" else (budget,)


def _with_unique_names(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """Append the arm id to names shared by several arms (long or user-defined group names may collide)."""
    times = Counter(arm.name for arm in arms)
    return tuple(arm if times[arm.name] == 1 else replace(arm, name=f"{arm.name}-{arm.arm_id}") for arm in arms)
