"""Which arms cost about the same, so that one probe serves them all."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from search_spaces.nuisance import NUISANCE, Choice, NuisanceRange
from study.plan.plan import PlannedArm
from trainables.config.trial import TrialConfig
from trainables.networks.components import StorageLedger

_WITHOUT_COST: dict[str, Any] = {
    "data_seed": True,
    "train_seed": True,
    "evaluation": {"splits"},
    "agreement": True,
    "modulation": True,
    "network_groups": True,
    "loss": {"margin"},
    "optimization": {"learning_rate", "schedule", "decay_per_epoch", "epochs"},
}
"""Settings that change neither time nor memory of a step, and those whose cost the ledger gives (modulation, groups).

Penalties and weight decay stay, since 0 leaves work out.
"""


def cost_shape(config: TrialConfig, storage: StorageLedger) -> str:
    """Return an id that is equal for trials whose steps cost about the same.

    They may differ in values and seeds, and in modulation and networks as long as parameters, multiply-adds and
    embeddings per image are the same power of two, rounded: a step of twice the work moves the best number of
    processes by one doubling at most, and a probe of every arm of a large study would take longer than it saves.
    """
    values = config.model_dump(mode="json", exclude=_WITHOUT_COST)
    sizes = storage.parameters, storage.multiply_adds_per_image, storage.embeddings_per_image
    powers = [round(math.log2(size)) for size in sizes]
    return hashlib.sha256(json.dumps([values, powers], sort_keys=True).encode()).hexdigest()[:16]


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
