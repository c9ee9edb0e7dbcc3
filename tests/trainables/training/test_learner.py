"""What training changes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.preprocessing import preprocessed, to_network_input
from trainables.failures import DivergedError
from trainables.losses.triplet import triplet_margin_loss
from trainables.training.augmentation import augment
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime
from trainables.training.timing import seconds_per_epoch


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _config(
    optimization: dict[str, Any] | None = None, sections: dict[str, Any] | None = None, **modulation: Any
) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "generated", "train_images": 24, "validation_images": 10, "test_images": 10},
                "tasks": ["Smiling", "Hat"],
                "image_size": 48,
            },
            "network": {"width": 0.125},
            "modulation": {"points": ("res5", "fc"), **modulation},
            "batches": {"batch_size": 12},
            "optimization": {"weight_decay": 1e-3, "epochs": 40} | (optimization or {}),
            "compute": {"device": "cpu"},
        }
        | (sections or {})
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


def test_separate_passes_are_three_networks_calls_with_statistics_of_their_own(cache: Path) -> None:
    """As CSN: anchors, then negatives, then positives; a batch norm sees one of them at a time."""
    slots = {"batches": {"scheme": "triplets", "batch_size": 24, "passes": "separate"}}
    config = _config(sections=slots)
    with trial_runtime(config.compute) as runtime:
        split = prepare_dataset(config.data, 0, cache).splits["train"]
        learner, other = (Learner(config, split, runtime) for _ in range(2))
        batch = next(iter(learner.batches.epoch()))
        assert batch.task_index is not None
        images = to_network_input(split.images[batch.rows], runtime.device, channels_last=True, preprocessing="unit")
        expected = torch.empty(24, learner.model.embedding_size)
        other.model.train()
        for role in (0, 2, 1):
            part = other.model.embed_mixed(images[role::3], batch.task_index[role::3])
            expected[role::3] = part.detach()
        loss = triplet_margin_loss(expected, 2, 0.2)
        learner.model.train()
        assert learner.take_step(batch).per_task.tolist() == loss.per_task.tolist()
        statistics = {name: value for name, value in learner.model.named_buffers() if "running" in name}
        assert statistics
        assert all(torch.equal(value, dict(other.model.named_buffers())[name]) for name, value in statistics.items())
        mixed = Learner(_config(sections={"batches": {"scheme": "triplets", "batch_size": 24}}), split, runtime)
        mixed.model.train()
        assert mixed.take_step(batch).per_task.tolist() != loss.per_task.tolist()


def test_separate_passes_need_slots() -> None:
    with pytest.raises(ValueError, match="passes: separate needs anchors of their own"):
        _config(sections={"batches": {"scheme": "all_tasks", "batch_size": 12, "passes": "separate"}})


def test_training_images_are_augmented_by_step_and_preprocessed(cache: Path) -> None:
    changes = {"augmentation": {"flip": True, "crop": 3}}
    config = _config(sections=changes)
    seen: list[torch.Tensor] = []
    with trial_runtime(config.compute) as runtime:
        split = prepare_dataset(config.data, 0, cache).splits["train"]
        learner = Learner(config, split, runtime)
        learner.model.members[0].backbone.stages["conv1"].register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].clone())
        )
        batch = next(iter(learner.batches.epoch()))
        learner.take_step(batch)
        learner.take_step(batch)
        for step, images in enumerate(seen):
            pixels = augment(torch.from_numpy(split.images[batch.rows]), config.augmentation, config.train_seed, step)
            assert torch.equal(images, preprocessed(pixels, channels_last=True, preprocessing="unit"))
        assert len(seen) == 2
        assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(("share", "steps"), [(1.0, 4), (0.5, 2), (0.01, 1)])
def test_a_trial_takes_its_share_of_the_steps_of_an_epoch(cache: Path, share: float, steps: int) -> None:
    training = {"step_share": share, "schedule": "cosine", "epochs": 2}
    config = _config(optimization=training, sections={"batches": {"batch_size": 6}})
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, prepare_dataset(config.data, 0, cache).splits["train"], runtime)
        learner.run_epoch(1)
        assert learner.steps_done == steps
        assert learner.learning_rate == pytest.approx(config.optimization.learning_rate / 2)  # half of its schedule
