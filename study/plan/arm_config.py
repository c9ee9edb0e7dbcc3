"""From a definition and an arm to the configuration of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.arms import Arm
from search_spaces.nuisance import NUISANCE
from study.definition.model import StudyDefinition
from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.config.trial import TrialConfig

Nuisance = Mapping[str, float | int]


def arm_config(definition: StudyDefinition, arm: Arm) -> TrialConfig:
    """Return the trial configuration of an arm with the definition's own nuisance values and tune seed."""
    tasks = definition.data.tasks
    config = TrialConfig(
        data=definition.data,
        augmentation=definition.augmentation,
        network=definition.network,
        modulation=ModulationConfig(
            points=arm.points,
            form=arm.form.kind,
            size=arm.form.size,
            activation=arm.activation,
            initialization=InitializationConfig.model_validate(arm.initialization.to_dict()),
            groups=arm.grouping.modulation_groups(tasks),
        ),
        network_groups=arm.grouping.network_groups(tasks),
        batches=definition.batches,
        loss=definition.loss,
        balancing=definition.balancing.model_copy(update={"method": arm.balancing}),
        optimization=definition.optimization,
        evaluation=definition.evaluation,
        agreement=definition.agreement,
        compute=definition.compute.model_copy(update={"threads": definition.resources.threads}),
        data_seed=definition.seeds.data_seed,
        train_seed=definition.seeds.tune_seed,
    )
    return with_values(config, definition.space.fixed)


def with_values(config: TrialConfig, nuisance: Nuisance, **top_level: Any) -> TrialConfig:
    """Return the configuration with nuisance values inserted, validated again."""
    values = config.model_dump(mode="json", by_alias=False)
    for name, value in nuisance.items():
        section, _, key = NUISANCE[name].key.partition(".")
        values[section][key] = value
    return TrialConfig.model_validate({**values, **top_level})
