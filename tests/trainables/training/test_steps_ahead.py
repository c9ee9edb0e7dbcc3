"""Steps prepared ahead and replayed, as on an accelerator, take the plain steps of the CPU to the last bit.

``replay.Replay`` stands in for a CUDA graph. That CUDA itself captures the step is tested where there is a GPU
(``tests/trainables/accelerator/test_captured_steps.py``).
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.drawing import may_draw
from trainables.networks.modulation import FORMS
from trainables.training.checkpoint import Checkpoint
from trainables.training.learner import Learner
from trainables.training.optimization import LearningRate
from trainables.training.runtime import trial_runtime
from trainables.training.steps.capture import CapturedWork, why_not_static
from trainables.training.steps.driving import StepsAhead
from trainables.training.steps.images import ResidentImages, StreamedImages, step_images

HERE = torch.device("cpu")
TASKS = ["a", "b", "c"]
STEPS = 2


def config_of(**sections: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {"tasks": TASKS, "image_size": 48},
        "network": {"width": 0.0625, "batch_norm_momentum": 0.1},
        "batches": {"batch_size": 9},
        "augmentation": {"flip": True, "crop": 3},
        "optimization": {"epochs": 3, "steps_per_epoch": STEPS, "learning_rate": 1e-3},
        "compute": {"device": "cpu"},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return TrialConfig.model_validate(values)


@pytest.fixture(scope="module")
def split() -> Split:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (30, 48, 48, 3), dtype=np.uint8)
    return Split(images, draw.integers(-1, 2, (30, len(TASKS))))


def ahead(learner: Learner) -> Learner:
    """Let a learner on the CPU take its steps as on an accelerator, with the rate in a tensor."""
    learner._rate = LearningRate(learner.optimizer, HERE)
    learner._ahead = StepsAhead(learner._step, learner.batches, learner._rate, learner._images, learner._labels)
    return learner


def replayed(learner: Learner, replay: ModuleType) -> Learner:
    """Let a learner on the CPU replay its steps."""
    steps = ahead(learner)._ahead
    assert steps is not None
    steps._work = replay.Replay()
    return learner


def state_of(learner: Learner) -> dict[str, torch.Tensor]:
    moments = {
        f"{index}.{name}": value
        for index, values in learner.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return {**learner.model.state_dict(), **moments}


def assert_equal(first: Learner, second: Learner) -> None:
    left, right = state_of(first), state_of(second)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


LATE = ("res5", "fc")
ARMS: dict[str, dict[str, Any]] = {
    "shared": {},
    "separate": {"network_groups": [["a"], ["b"], ["c"]]},
    **{form: {"modulation": {"points": LATE, "form": form}} for form in FORMS},
    "groups that are not in order": {
        "modulation": {"points": LATE, "form": "projection", "groups": [["a", "c"], ["b"]]}
    },
}
SLOTS = {"batches": {"scheme": "triplets", "batch_size": 18}}
MORE: dict[str, dict[str, Any]] = {
    "slots": {**SLOTS, "modulation": {"points": LATE}},
    "slots of separate networks": {**SLOTS, "network_groups": [["a", "c"], ["b"]]},
    "passes of CSN": {
        "batches": {**SLOTS["batches"], "passes": "separate"},
        "loss": {"distance": "euclidean", "normalize": False, "embedding_l2": 5e-3, "mask_l1": 5e-4},
        "modulation": {"points": ["fc"], "initialization": {"kind": "normal", "mean": 0.9, "std": 0.7}},
    },
    **{
        f"{scheme}, {form}": {
            "batches": {"scheme": scheme, "batch_size": 18},
            "modulation": {"points": LATE, "form": form, "groups": [["a", "c"], ["b"]]},
        }
        for scheme, form in (("released", "weight_mask"), ("triplets", "batch_norm"))
    },
    "own rate": {"modulation": {"points": LATE, "rate_factor": 3.0}},
    "no augmentation": {"augmentation": {"flip": False, "crop": 0}},
    **{f"optimizer {name}": {"optimization": {"optimizer": name}} for name in ("adagrad", "adamw", "sgd")},
}
BALANCED = {name: {"balancing": {"method": name}} for name in ("dwa", "rlw", "famo", "gradnorm", "uncertainty")}
NOT_STATIC = {name: {"balancing": {"method": name}} for name in ("graddrop", "mgda")}


@pytest.mark.parametrize("arm", [*ARMS, *MORE, *BALANCED, *NOT_STATIC])
def test_steps_prepared_ahead_and_replayed_change_no_bit(arm: str, split: Split, replay: ModuleType) -> None:
    config = config_of(**{**ARMS, **MORE, **BALANCED, **NOT_STATIC}[arm])
    with trial_runtime(config.compute) as runtime:
        plain, prepared = (Learner(config, split, runtime) for _ in range(2))
        for learner in (plain, prepared):
            replay.count_in_tensors(learner.balancer)
        static = arm not in NOT_STATIC
        assert (why_not_static(config, plain.model, type(plain.balancer)) is None) == static
        replayed(prepared, replay) if static else ahead(prepared)
        for epoch in (1, 2, 3) if arm == "dwa" else (1, 2):
            assert plain.run_epoch(epoch) == prepared.run_epoch(epoch)
        assert plain.steps_done == prepared.steps_done
        assert prepared.captured == static
        assert_equal(plain, prepared)
        for name, value in plain.balancer.state_dict().items():
            assert isinstance(value, dict) or torch.equal(
                torch.as_tensor(value), torch.as_tensor(prepared.balancer.state_dict()[name])
            )


def test_a_resumed_learner_goes_on_the_same(split: Split) -> None:
    config = config_of(balancing={"method": "dwa"}, modulation={"points": LATE})
    with trial_runtime(config.compute) as runtime:
        whole, first, second = (ahead(Learner(config, split, runtime)) for _ in range(3))
        expected = [whole.run_epoch(epoch) for epoch in (1, 2, 3)]
        for epoch in (1, 2):
            first.run_epoch(epoch)
        second.load_state(Checkpoint("id", 2, **first.state(), peak_memory_bytes=0, records={}))
        assert ahead(second).run_epoch(3) == expected[2]
        assert_equal(whole, second)


def test_images_come_whole_or_batch_by_batch(split: Split) -> None:
    rows = np.array([4, 29, 0])
    for images in (ResidentImages(split.images, HERE), StreamedImages(split.images, len(rows), HERE)):
        for chosen in (rows, rows[::-1]):
            images.prepare(chosen)
            assert np.array_equal(images.pixels(torch.from_numpy(chosen.copy())).numpy(), split.images[chosen])


def test_images_are_kept_on_the_device_where_they_fit(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    compute, there = config_of().compute, torch.device("meta")

    def chosen(setting: str, free: int, device: torch.device = there) -> type[object]:
        monkeypatch.setattr("trainables.data.on_device.free_bytes", lambda _: free)
        return type(step_images(split.images, 9, compute.model_copy(update={"data_on_device": setting}), device))

    size = split.images.nbytes
    assert chosen("auto", 2 * size) is ResidentImages
    assert chosen("auto", 2 * size - 2) is StreamedImages
    assert chosen("always", 0) is ResidentImages
    assert chosen("never", 100 * size) is StreamedImages
    assert chosen("always", 100 * size, HERE) is StreamedImages


def test_streamed_images_change_no_bit(split: Split) -> None:
    config = config_of(compute={"data_on_device": "never"})
    with trial_runtime(config.compute) as runtime:
        plain, prepared = Learner(config, split, runtime), ahead(Learner(config, split, runtime))
        assert plain.run_epoch(1) == prepared.run_epoch(1)
        assert_equal(plain, prepared)


def test_a_diverged_step_is_named_as_on_the_cpu(split: Split) -> None:
    config = config_of(optimization={"optimizer": "sgd", "learning_rate": 1e30, "schedule": "constant"})
    with trial_runtime(config.compute) as runtime:
        told = []
        for learner in (Learner(config, split, runtime), ahead(Learner(config, split, runtime))):
            with pytest.raises(RuntimeError, match="not finite in epoch 1, step") as error:
                learner.run_epoch(1)
            told.append(str(error.value))
    assert told[0] == told[1]


class Noisy(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def test_only_networks_of_known_parts_go_without_a_seed_of_the_step(split: Split) -> None:
    with trial_runtime(config_of().compute) as runtime:
        learners = {
            name: Learner(config_of(network={"backbone": name, "width": 0.0625}), split, runtime)
            for name in ("simplenet", "csn_resnet18")
        }
        for form in FORMS:
            learners[form] = Learner(config_of(modulation={"points": LATE, "form": form}), split, runtime)
        assert {name for name, learner in learners.items() if may_draw(learner.model)} == set()
        model = learners["simplenet"].model
        for layer in (nn.Dropout(), Noisy()):
            model.add_module("more", layer)
            assert may_draw(model)


def test_work_that_is_not_captured_is_done_each_time(caplog: pytest.LogCaptureFixture) -> None:
    work, done = CapturedWork(HERE, capture=True), []
    with caplog.at_level(logging.INFO):
        for _ in range(6):
            work.do(lambda: done.append(1))
    assert len(done) == 6
    assert not work.captured
