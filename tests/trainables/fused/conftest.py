"""Trials small enough to be trained as one model in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainables.config.trial import TrialConfig

VALUES = ((1e-3, 0.0, 0.2), (3e-3, 0.01, 0.1), (1e-2, 0.001, 0.4))
"""Learning rate, decay and margin of the member in each slot."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def config_of() -> Callable[..., TrialConfig]:
    """The trial in a slot of a unit of three; keyword arguments replace settings by section."""

    def make(slot: int, *, fused: int = 3, **sections: dict[str, Any]) -> TrialConfig:
        rate, decay, margin = VALUES[slot]
        images = {"train_images": 48, "validation_images": 24, "test_images": 12}
        settings: dict[str, dict[str, Any]] = {
            "data": {
                "source": {"kind": "generated", **images},
                "tasks": ["Smiling", "Glasses", "Hat"],
                "image_size": 48,
            },
            "network": {"width": 0.0625},
            "batches": {"batch_size": 12},
            "optimization": {"epochs": 3, "steps_per_epoch": 2, "learning_rate": rate, "weight_decay": decay},
            "loss": {"margin": margin},
            "modulation": {"points": ["res5", "fc"]},
            "evaluation": {"triplets_per_task": 20},
            "compute": {"device": "cpu", "fused": fused},
        }
        for name, values in sections.items():
            settings[name] = {**settings.get(name, {}), **values} if isinstance(values, dict) else values
        return TrialConfig.model_validate({**settings, "train_seed": slot})

    return make
