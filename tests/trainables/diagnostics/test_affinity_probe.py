"""The measurement on a real model against plain steps, no trace left, and the pilot that averages it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.preprocessing import to_network_input
from trainables.diagnostics.affinity_pilot import run_affinity_pilot
from trainables.diagnostics.affinity_probe import AffinityProbe
from trainables.failures import DivergedError
from trainables.losses.triplet import batch_triplet_loss, triplet_margin_loss
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS = ("Smiling", "Mouth_Open", "Hat")
NETWORKS = Path(__file__).parents[1] / "networks"
SCHEMES = ({"images": 12}, {"scheme": "triplets", "images": 27})


def _config(**sections: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 40, "validation_images": 10, "test_images": 10},
            "tasks": TASKS,
            "image_size": 48,
        },
        "network": {"width": 0.125, "batch_norm_momentum": 0.1},
        "batches": {"batch_size": 12},
        "optimization": {"optimizer": "adam", "schedule": "constant", "epochs": 2},
        "compute": {"device": "cpu"},
    }
    return TrialConfig.model_validate(values | sections)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _ignore(step: int, steps: int) -> None:
    pass


@pytest.mark.parametrize("batches", SCHEMES)
def test_affinities_are_those_of_plain_steps(batches: dict[str, Any], cache: Path) -> None:
    """A copy of the model, torch's own SGD, and the losses as a user would write them."""
    config = _config(batches=batches)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        learner.run_epoch(1)
        batch = next(iter(learner.batches.epoch()))
        found = AffinityProbe(config, split, runtime).measure(learner.model, batch, 0.02)
        images = to_network_input(split.images[batch.rows], runtime.device, True, "unit")
        labels = torch.from_numpy(np.array(split.labels[batch.rows]))

        def losses(model: Any) -> torch.Tensor:
            model.eval()
            if batch.task_index is None:
                embedded = model.embed_tasks(images)
                per_task = [batch_triplet_loss(embedded[[t]], labels[:, [t]], 0.2).loss for t in range(3)]
            else:
                embedded = model.embed_mixed(images, batch.task_index)
                per_task = [triplet_margin_loss(embedded[batch.task_index == t], 1, 0.2).loss for t in range(3)]
            return torch.stack(per_task)

        before = losses(learner.model).detach()
        for task in range(3):
            model = copy.deepcopy(learner.model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
            optimizer.zero_grad()
            losses(model)[task].backward()
            gradient = torch.cat([weight.grad.flatten() for weight in model.parameters()]).double()
            if task == 0:
                first = gradient
            optimizer.step()
            expected = (1 - losses(model).detach() / before).double() / 0.02
            torch.testing.assert_close(found.affinity[task], expected, rtol=1e-3, atol=1e-3)
            cosine = torch.nn.functional.cosine_similarity(first, gradient, dim=0)
            torch.testing.assert_close(found.cosine[0, task], cosine, rtol=1e-5, atol=1e-7)
    assert (found.affinity.diagonal() > 0).all()
    assert list(found.stage_cosine) == ["conv1", "res2", "res3", "res4", "res5", "fc"]
    assert all((cosine.diagonal() - 1).abs().max() < 1e-9 for cosine in found.stage_cosine.values())


@pytest.mark.parametrize("batches", SCHEMES)
def test_measuring_leaves_no_trace(batches: dict[str, Any], cache: Path) -> None:
    config = _config(batches=batches)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner, undisturbed = Learner(config, split, runtime), Learner(config, split, runtime)
        probe = AffinityProbe(config, split, runtime)
        random_state = torch.get_rng_state()
        for learning in (learner, undisturbed):
            learning.model.train()
            for batch in learning.batches.epoch():
                if learning is learner:
                    probe.measure(learner.model, batch, learner.learning_rate)
                    assert learner.model.training
                learning.take_step(batch)
        assert torch.equal(torch.get_rng_state(), random_state)
        other = undisturbed.model.state_dict()
        assert all(torch.equal(value, other[name]) for name, value in learner.model.state_dict().items())


def test_the_rate_of_a_step_does_not_weigh_its_affinities(cache: Path) -> None:
    """So the end of a schedule counts as much as its start."""
    config = _config()
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    with trial_runtime(config.compute) as runtime:
        learner, probe = Learner(config, split, runtime), AffinityProbe(config, split, runtime)
        batch = next(iter(learner.batches.epoch()))
        high, low = (probe.measure(learner.model, batch, rate).affinity for rate in (1e-4, 1e-5))
    assert torch.allclose(high, low, rtol=0.2, atol=0.02 * float(high.abs().max()))


def test_a_pilot_runs_on_a_network_of_which_parts_take_no_part(cache: Path) -> None:
    """A layer that never runs, one without a say in the embedding, a frozen one."""
    network = {"backbone": "drawing_networks:partly_unused", "points": ("body",), "folder": NETWORKS}
    found = run_affinity_pilot(_config(network=network), cache=cache, every_steps=2, progress=_ignore)
    assert np.isfinite(found.affinity).all()
    assert np.allclose(found.cosine.diagonal(), 1)


def test_a_pilot_is_the_same_to_the_last_bit_and_tells_of_every_step(cache: Path) -> None:
    told: list[tuple[int, int]] = []
    first = run_affinity_pilot(_config(), cache=cache, every_steps=2, progress=lambda *at: told.append(at))
    second = run_affinity_pilot(_config(), cache=cache, every_steps=2, progress=_ignore)
    assert (first.steps, first.measured) == (6, 3)
    assert told == [(step, 6) for step in range(1, 7)]
    assert np.array_equal(first.affinity, second.affinity)
    assert np.array_equal(first.cosine, second.cosine)
    assert first.affinity.shape == first.cosine.shape == (3, 3)
    assert np.abs(first.cosine).max() <= 1 + 1e-9
    assert np.array_equal(first.cosine, first.cosine.T)


def test_the_pilot_averages_what_the_probe_says(cache: Path) -> None:
    config = _config()
    found = run_affinity_pilot(config, cache=cache, every_steps=2, progress=_ignore)
    split = prepare_dataset(config.data, 0, cache).splits["train"]
    measured = []
    with trial_runtime(config.compute) as runtime:
        learner, probe = Learner(config, split, runtime), AffinityProbe(config, split, runtime)
        learner.model.train()
        for _ in range(2):
            for batch in learner.batches.epoch():
                if learner.steps_done % 2:
                    measured.append(probe.measure(learner.model, batch, 1e-3).affinity.numpy())
                learner.take_step(batch)
    assert np.allclose(found.affinity, np.mean(measured, axis=0), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("sections", "every", "message"),
    [
        ({}, 7, r"^every_steps .*: should be from 1 to 6, the steps of training, got 7$"),
        ({}, 0, r"^every_steps .*: should be from 1"),
        ({"modulation": {"points": ("res5",)}}, 1, r"^affinity needs one network without modulation"),
        ({"network_groups": (("Smiling", "Hat"), ("Mouth_Open",))}, 1, r"^affinity needs one network"),
        (
            {"batches": {"batch_size": 3}, "train_seed": 0},
            26,
            r"^tasks 'Smiling' and '\w+' had no losses together in the 1 measured",
        ),
    ],
)
def test_what_is_refused(sections: dict[str, Any], every: int, message: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run_affinity_pilot(_config(**sections), cache=cache, every_steps=every, progress=_ignore)


def test_one_task_has_no_affinity(cache: Path) -> None:
    config = _config()
    alone = config.model_dump(mode="json", exclude={"modulation": {"groups"}, "network_groups": True})
    alone["data"]["tasks"] = ["Smiling"]
    with pytest.raises(ValueError, match=r"^affinity needs at least two tasks"):
        run_affinity_pilot(TrialConfig.model_validate(alone), cache=cache, every_steps=1, progress=_ignore)


def test_a_pilot_that_diverges_says_so(cache: Path) -> None:
    config = _config(optimization={"optimizer": "sgd", "learning_rate": 1e38, "schedule": "constant"})
    with pytest.raises(DivergedError, match="the loss is not finite in step"):
        run_affinity_pilot(config, cache=cache, every_steps=3, progress=_ignore)
