"""The measurement on a real model: right gradients, no trace left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.preprocessing import to_network_input
from trainables.diagnostics.agreement_probe import AgreementProbe
from trainables.foundation.seeds import named_seed
from trainables.losses.triplet import batch_triplet_loss
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = ("Smiling", "Glasses", "Hat")
TOGETHER, APART, PAIRED = (TASKS,), tuple((task,) for task in TASKS), (("Smiling", "Hat"), ("Glasses",))


def _config(network_groups: tuple[tuple[str, ...], ...]) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {
                "source": {"kind": "generated", "train_images": 40, "validation_images": 10, "test_images": 10},
                "tasks": TASKS,
                "image_size": 48,
            },
            "network": {"width": 0.125},
            "modulation": {"points": ("res5",)},
            "network_groups": network_groups,
            "batches": {"batch_size": 12},
            "optimization": {"learning_rate": 0.01, "optimizer": "sgd", "schedule": "constant"},
            "agreement": {"every_epochs": 1, "images": 20},
            "compute": {"device": "cpu"},
        }
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("groups", [TOGETHER, APART, PAIRED])
def test_gradients_and_steps_are_those_of_plain_training(groups: tuple[tuple[str, ...], ...], cache: Path) -> None:
    """Every task by its own forward and backward pass, as a user would write it."""
    config = _config(groups)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        learner.run_epoch(1)
        probe = AgreementProbe(config, split, runtime)
        window = probe.begin(learner.model)

        generator = np.random.default_rng(named_seed(config.train_seed, "agreement"))
        rows = np.sort(generator.choice(len(split), 20, replace=False))
        images = to_network_input(split.images[rows], runtime.device, channels_last=True, preprocessing="unit")
        before = {name: value.clone() for name, value in learner.model.state_dict().items()}
        learner.model.eval()
        for index, network in enumerate(learner.model.members):
            for position, task in enumerate(network.tasks):
                labels = torch.from_numpy(split.labels[rows][:, [TASKS.index(task)]])
                learner.model.zero_grad()
                batch_triplet_loss(network.embed_tasks(images, (task,)), labels, config.loss.margin).loss.backward()
                weight = network.backbone.stages["res4"].reduce[0][0].weight
                torch.testing.assert_close(window.gradients[index, "res4"][0][position], weight.grad)
        learner.model.train()
        learner.run_epoch(2)
        metrics = probe.end(learner.model, window)

    name = "networks.0.backbone.stages.res4.reduce.0.0.weight"
    torch.testing.assert_close(window.weights[0, "res4"][0], before[name])
    assert len(window.weights[0, "res4"]) == 3
    pairs = {key.rsplit("/", 1)[1] for key in metrics if "/cosine/" in key}
    assert (
        pairs
        == {
            TOGETHER: {"Smiling:Glasses", "Smiling:Hat", "Glasses:Hat"},
            APART: set(),
            PAIRED: {"Smiling:Hat"},
        }[groups]
    )
    assert any("conflict_share" in key for key in metrics) == (groups != APART)
    assert all(-1 <= value <= 1 for value in metrics.values())
    stages = {key.split("/")[2] for key in metrics}
    assert stages == {"conv1", "res2", "res3", "res4", "res5", "fc"}


@pytest.mark.long
def test_alone_with_plain_descent_the_step_follows_the_gradient(cache: Path) -> None:
    """One task, and steps taken by gradient descent: the agreement is positive everywhere it matters.

    Running statistics follow the batches closely and every batch holds nearly all images, so that the gradient that is
    measured is about the one that is taken.
    """
    sections = _config(APART).model_dump(by_alias=False)
    sections["network"]["batch_norm_momentum"] = 0.5
    sections["batches"]["batch_size"] = 36
    sections["agreement"]["images"] = 40
    sections["optimization"] |= {"steps_per_epoch": 3, "learning_rate": 0.003}
    config = TrialConfig.model_validate(sections)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        for epoch in range(1, 9):
            learner.run_epoch(epoch)
        probe = AgreementProbe(config, split, runtime)
        window = probe.begin(learner.model)
        learner.run_epoch(9)
        metrics = probe.end(learner.model, window)
    assert np.mean([value for key, value in metrics.items() if "/update/" in key]) > 0


def test_measuring_leaves_no_trace(cache: Path) -> None:
    config = _config(TOGETHER)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        probe = AgreementProbe(config, split, runtime)
        learner.run_epoch(1)
        before = {name: value.clone() for name, value in learner.model.state_dict().items()}
        gradients = {name: value.grad.clone() for name, value in learner.model.named_parameters()}
        random_state = torch.get_rng_state()
        probe.end(learner.model, probe.begin(learner.model))
        assert learner.model.training
        assert torch.equal(torch.get_rng_state(), random_state)
        assert all(torch.equal(before[name], value) for name, value in learner.model.state_dict().items())
        assert all(torch.equal(gradients[name], value.grad) for name, value in learner.model.named_parameters())
