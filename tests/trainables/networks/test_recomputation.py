"""Networks that compute parts again in the backward pass (gradient checkpointing) do so as in the forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.diagnostics.agreement_probe import AgreementProbe
from trainables.networks.backbones.norm_calls import SoundNorms
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

FOLDER = Path(__file__).parents[1] / "networks"


def config(network: str, method: str = "equal", **sections: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 24, "validation_images": 16, "test_images": 16},
            "tasks": ("Smiling", "Glasses", "Hat"),
            "image_size": 64,
        },
        "network": {"backbone": f"recomputing_networks:{network}", "points": ("body",), "folder": FOLDER},
        "batches": {"batch_size": 12},
        "balancing": {"method": method},
        "optimization": {"epochs": 1},
        "agreement": {"every_epochs": 1, "images": 12},
        "compute": {"device": "cpu"},
    }
    return TrialConfig.model_validate(values | sections)


def gradients(trial: TrialConfig, cache: Path) -> dict[str, Tensor]:
    """Return the gradients of one training step, which the agreement probe has looked at before."""
    train = prepare_dataset(trial.data, trial.data_seed, cache).splits["train"]
    with trial_runtime(trial.compute) as runtime:
        learner = Learner(trial, train, runtime)
        AgreementProbe(trial, train, runtime).begin(learner.model)
        learner.model.train()
        learner.take_step(next(iter(learner.batches.epoch())))
    return {name: weight.grad for name, weight in learner.model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("method", ["equal", "famo", "gradnorm", "pcgrad"])
def test_a_network_that_computes_again_is_trained_as_one_that_keeps_everything(method: str, tmp_path: Path) -> None:
    found, right = (gradients(config(network, method), tmp_path) for network in ("recomputing", "keeping"))
    assert found.keys() == right.keys()
    for name, gradient in found.items():
        assert float((gradient - right[name]).norm()) < 1e-3 * float(right[name].norm()) + 1e-5, name


def test_gradient_checkpointing_with_running_statistics_is_no_error() -> None:
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    body.to(memory_format=torch.channels_last)
    with SoundNorms():
        found = checkpoint(body, torch.rand(8, 3, 40, 40), use_reentrant=False)
    found.square().sum().backward()
    assert body[0].weight.grad is not None
