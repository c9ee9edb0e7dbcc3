"""All settings of a trial, one section per module.

Plain validated data without torch. May import ``foundation`` and ``sources``. A new key belongs in the section of what
it controls; if it has no effect under some other settings, it also needs an entry in ``acting``.
"""

from trainables.config.data import DataConfig
from trainables.config.evaluation import AgreementConfig, EvaluationConfig
from trainables.config.identity import RESULTS_VERSION, trial_id, trial_identity
from trainables.config.modulation import InitializationConfig, ModulationConfig, Partition
from trainables.config.network import NetworkConfig, WeightsConfig
from trainables.config.runtime import ComputeConfig
from trainables.config.training import (
    AugmentationConfig,
    BalancingConfig,
    BatchConfig,
    LossConfig,
    OptimizationConfig,
)
from trainables.config.trial import TrialConfig

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
