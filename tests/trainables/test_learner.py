"""What training changes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.compute import trial_runtime
from trainables.config import TrialConfig
from trainables.data import prepare_dataset
from trainables.learner import DivergedError, Learner
from trainables.probe import seconds_per_epoch


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _config(optimization: dict[str, Any] | None = None, **modulation: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "generated", "train_images": 24, "validation_images": 10, "test_images": 10},
                "tasks": ["Smiling", "Hat"],
                "image_size": 48,
            },
            "network": {"width": 0.125},
            "modulation": {"points": ("res5", "fc"), **modulation},
            "batches": {"images": 12},
            "optimization": {"weight_decay": 1e-3, "epochs": 40} | (optimization or {}),
            "compute": {"device": "cpu"},
        }
    )


def test_frozen_vectors_stay_and_are_not_given_to_the_optimizer(cache: Path) -> None:
    config = _config(initialization={"kind": "normal", "trainable": False})
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, prepare_dataset(config.data, 0, cache).splits["train"], runtime)
        vectors = {name: value for name, value in learner.model.named_parameters() if "modulation" in name}
        given = {id(parameter) for group in learner.optimizer.param_groups for parameter in group["params"]}
        assert len(vectors) == 2
        assert not given & {id(value) for value in vectors.values()}
        start = {name: value.clone() for name, value in vectors.items()}
        learner.run_epoch(1)
        assert all(torch.equal(vectors[name], start[name]) for name in start)


def test_decay_is_for_layer_weights_alone(cache: Path) -> None:
    config = _config()
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, prepare_dataset(config.data, 0, cache).splits["train"], runtime)
        names = {id(parameter): name for name, parameter in learner.model.named_parameters()}
        decayed, undecayed = (
            {names[id(parameter)] for parameter in group["params"]} for group in learner.optimizer.param_groups
        )
    assert [group["weight_decay"] for group in learner.optimizer.param_groups] == [1e-3, 0.0]
    assert all(name.endswith("weight") and "modulation" not in name for name in decayed)
    assert all(name.endswith("bias") or "modulation" in name for name in undecayed)
    assert len(decayed) == 14
    assert len(undecayed) == 16


def test_training_learns(cache: Path) -> None:
    config = _config({"learning_rate": 1e-2})
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, prepare_dataset(config.data, 0, cache).splits["train"], runtime)
        losses = [learner.run_epoch(epoch)["train/loss"] for epoch in range(1, 41)]
    assert losses[-1] < 0.6 * losses[0]


def test_a_diverging_trial_says_where(cache: Path) -> None:
    config = _config({"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant", "steps_per_epoch": 4})
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, prepare_dataset(config.data, 0, cache).splits["train"], runtime)
        with pytest.raises(DivergedError, match=r"not finite in epoch 1, step [234]"):
            learner.run_epoch(1)


def test_seconds_per_epoch_keeps_nothing(cache: Path) -> None:
    config = _config()
    prepare_dataset(config.data, 0, cache)
    before = {path for path in cache.rglob("*") if "triplets" not in path.parts}
    assert 0 < seconds_per_epoch(config, cache, steps=5) < 60
    assert {path for path in cache.rglob("*") if "triplets" not in path.parts} == before
