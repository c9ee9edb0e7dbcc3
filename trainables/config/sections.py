"""The sections shared by study files and trials, listed once."""

from __future__ import annotations

from trainables.config.data import DataConfig
from trainables.config.evaluation import AgreementConfig, EvaluationConfig
from trainables.config.network import NetworkConfig
from trainables.config.runtime import ComputeConfig
from trainables.config.training import (
    AugmentationConfig,
    BalancingConfig,
    BatchConfig,
    LossConfig,
    OptimizationConfig,
)
from trainables.foundation.section import Section


class SharedSections(Section):
    """The settings that a study defines for all its trials; in a trial, those that the study varies may differ."""

    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    network: NetworkConfig = NetworkConfig()
    batches: BatchConfig = BatchConfig()
    loss: LossConfig = LossConfig()
    balancing: BalancingConfig = BalancingConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    agreement: AgreementConfig = AgreementConfig()
    compute: ComputeConfig = ComputeConfig()
