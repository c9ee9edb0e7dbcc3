"""From a definition and an arm to the configuration of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.arms import Arm
from search_spaces.factors.kinds import EQUAL_COST
from search_spaces.nuisance import NUISANCE
from study.definition.model import StudyDefinition
from study.plan.fusing import why_alone
from trainables.config.runtime import Device
from trainables.config.sections import SharedSections
from trainables.config.trial import TrialConfig

Nuisance = Mapping[str, float | int]


def arm_config(definition: StudyDefinition, arm: Arm, device: Device) -> TrialConfig:
    """Return the trial configuration of an arm on a device, with the definition's own nuisance values and tune seed."""
    config = TrialConfig(
        **{name: getattr(definition, name) for name in SharedSections.model_fields},
        data_seed=definition.seeds.data_seed,
        train_seed=definition.seeds.tune_seed,
    )
    settings = arm.settings(definition.data.tasks)
    settings |= {"compute.threads": definition.resources.threads, "compute.device": device}
    halving = definition.search.halving
    if halving is not None and halving.schedule == "restart":
        settings |= {"optimization.restarts": halving.rungs}
    config = _with_settings(config, settings | _by_key(definition.space.fixed))
    if arm.levels["budget"] == EQUAL_COST:
        config = at_equal_cost(config)
    if config.compute.fused > 1 and why_alone(definition, config) is not None:
        config = _with_settings(config, {"compute.fused": 1})
    return config


def at_equal_cost(config: TrialConfig) -> TrialConfig:
    """Return the trial with so few steps an epoch that its training costs as much as that of one shared network."""
    from trainables.training_cost import relative_cost

    share = float(f"{min(1.0, 1 / relative_cost(config)):.6g}")  # the ids of trials must not hang on the last bits
    return _with_settings(config, {"optimization.step_share": share})


def with_values(config: TrialConfig, nuisance: Nuisance, **top_level: Any) -> TrialConfig:
    """Return the configuration with nuisance values inserted, validated again."""
    return _with_settings(config, _by_key(nuisance), **top_level)


def _by_key(nuisance: Nuisance) -> dict[str, float | int]:
    return {NUISANCE[name].key: value for name, value in nuisance.items()}


def _with_settings(config: TrialConfig, settings: Mapping[str, Any], **top_level: Any) -> TrialConfig:
    """Return the configuration with the settings of these dotted keys, validated again.

    Sections without such a key are kept as they are: to validate all of them took most of the time of a trial's id.
    """
    values: dict[str, Any] = {name: getattr(config, name) for name in TrialConfig.model_fields}
    for key, value in settings.items():
        first, *rest = key.split(".")
        if not rest:
            values[first] = value
            continue
        if not isinstance(values[first], dict):
            values[first] = values[first].model_dump(mode="json", by_alias=False)
        *above, last = rest
        section = values[first]
        for name in above:
            section = section[name]
        section[last] = value
    return TrialConfig.model_validate({**values, **top_level})
