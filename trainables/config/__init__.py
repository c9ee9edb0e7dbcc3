"""Every setting of one trial, a section a module. Imports no torch."""

from trainables.config.network import NetworkConfig, WeightsConfig
from trainables.config.training import (
    AugmentationConfig,
    BalancingConfig,
    BatchConfig,
    LossConfig,
    OptimizationConfig,
)
from trainables.config.trial import (
    RESULTS_VERSION,
    AgreementConfig,
    ComputeConfig,
    DataConfig,
    EvaluationConfig,
    InitializationConfig,
    ModulationConfig,
    Partition,
    TrialConfig,
    trial_id,
    trial_identity,
)

__all__ = [
    "RESULTS_VERSION",
    "AgreementConfig",
    "AugmentationConfig",
    "BalancingConfig",
    "BatchConfig",
    "ComputeConfig",
    "DataConfig",
    "EvaluationConfig",
    "InitializationConfig",
    "LossConfig",
    "ModulationConfig",
    "NetworkConfig",
    "OptimizationConfig",
    "Partition",
    "TrialConfig",
    "WeightsConfig",
    "trial_id",
    "trial_identity",
]
