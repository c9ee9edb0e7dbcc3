"""Nuisance values that belong to a form or a balancing method: declared on its class, tuned in its arms only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from search_spaces.arms import Arm
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from trainables.config.registries import BALANCERS, FORMS


def with_own_values(definition: StudyDefinition, arms: Iterable[Arm]) -> StudyDefinition:
    """Return the definition with the ranges that the forms and methods of its arms declare, if it asks for them.

    In the other arms these values have no effect and are not tuned (``StudyPlan.idle_nuisance``).

    Raises:
        UserError: A class of another package declares a range that is none.
    """
    if not definition.space.tune_own:
        return definition
    declared: dict[str, Mapping[str, float | bool]] = {}
    for arm in arms:
        if arm.points:
            declared |= FORMS[arm.levels["form"].kind].own_values
        method = arm.levels["balancing"]
        declared |= getattr(BALANCERS[method], "own_values", {}) if BALANCERS.known(method) else {}
    with error_context("space.tune_own"):
        return definition.model_copy(update={"space": definition.space.with_ranges(declared)})
