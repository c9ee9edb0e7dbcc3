"""Which arms train their trials as one model (``compute.fused``), and why the others do not. Decided by the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from search_spaces.nuisance import NUISANCE, Choice, NuisanceRange
from study.definition.model import StudyDefinition
from trainables.config.acting import acts
from trainables.config.trial import TrialConfig

if TYPE_CHECKING:
    from study.plan.plan import StudyPlan

_PENALTIES = ("embedding_l2", "mask_l1")


def why_alone(definition: StudyDefinition, config: TrialConfig) -> str | None:
    """Return in plain words why the trials of an arm cannot be trained as one model; None if they can."""
    from trainables.fused.fusible import why_not_fused, why_not_tuned_fused

    tuned = {name: values for name, values in definition.space.nuisance.items() if acts(config, NUISANCE[name].key)}
    off = next((name for name in _PENALTIES if name in tuned and _may_be_zero(tuned[name])), None)
    if off is not None:
        return f"the range of {off} includes 0, which would be another objective"
    return why_not_fused(config) or why_not_tuned_fused([NUISANCE[name].key for name in tuned])


def _may_be_zero(values: NuisanceRange) -> bool:
    return min(values.values) == 0 if isinstance(values, Choice) else values.low == 0


def fusing_lines(plan: StudyPlan) -> Iterator[str]:
    """Yield how the trials of the arms are fused, and which are not; nothing if the study does not ask for it."""
    slots = plan.definition.compute.fused
    if slots == 1:
        return
    fused = [arm.arm.name for arm in plan.arms if arm.config.compute.fused > 1]
    yield f"fused: up to {slots} trials of an arm train as one model, in {len(fused)} of {len(plan.arms)} arms"
    reasons: dict[str, list[str]] = {}
    for arm in plan.arms:
        if arm.config.compute.fused == 1:
            reasons.setdefault(why_alone(plan.definition, arm.config) or "", []).append(arm.arm.name)
    for reason, names in reasons.items():
        yield f"not fused: {reason} ({', '.join(names)})"
