"""Which arms cost the same, so that one probe serves them all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from search_spaces.nuisance import NUISANCE, Choice, NuisanceRange
from study.plan.plan import PlannedArm
from trainables.config.trial import TrialConfig

_START = {"kind", "value", "mean", "std", "low", "high", "off", "keep"}
"""How modulation starts; whether it is trained (``trainable``) does change the work."""

_WITHOUT_COST: dict[str, Any] = {
    "data_seed": True,
    "train_seed": True,
    "evaluation": {"splits"},
    "agreement": True,
    "modulation": {"initialization": _START},
    "loss": {"margin"},
    "optimization": {"learning_rate", "schedule", "decay_per_epoch", "epochs"},
}
"""Settings that change neither time nor memory of a step. Penalties and weight decay stay, since 0 leaves work out."""


def cost_shape(config: TrialConfig) -> str:
    """Return an id that is equal for trials whose steps cost the same: they differ in values and seeds only."""
    values = config.model_dump(mode="json", exclude=_WITHOUT_COST)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def probed_config(arm: PlannedArm, ranges: Mapping[str, NuisanceRange]) -> TrialConfig:
    """Return the configuration of the arm's trial that needs most: its largest batch, and penalties that are on.

    Args:
        arm: one of a study's arms.
        ranges: ``space.nuisance`` of the study.
    """
    config = arm.config.model_dump(mode="json", by_alias=False)
    for name, values in ranges.items():
        section, key = NUISANCE[name].key.split(".")
        config[section][key] = max(values.values) if isinstance(values, Choice) else values.high
    return TrialConfig.model_validate(config)
