"""Training a few steps anywhere: the only place of these tests that knows how a ``Learner`` is made and driven."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.training.learner import Learner
from trainables.training.optimization import LearningRate
from trainables.training.runtime import Runtime, trial_runtime
from trainables.training.steps.driving import StepsAhead

TASKS = ("colour", "shape", "size")
IMAGES = 36

TrialOf = Callable[..., TrialConfig]
LearnerOn = Callable[[TrialConfig, torch.device], Learner]


def split_for(tasks: int, image_size: int) -> Split:
    """Images of noise, with two classes per task."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, image_size, image_size, 3), dtype=np.uint8)
    return Split(images, generator.integers(0, 2, (IMAGES, tasks)))


@pytest.fixture(scope="session")
def noise() -> Callable[[int, int], Split]:
    """Images of noise for so many tasks, of so many pixels a side."""
    return split_for


@pytest.fixture(scope="session")
def take_steps() -> Callable[[Learner, Any], None]:
    """Take the first step of an epoch, and then the second in strictness (``host_reads``), as CUDA takes them."""

    def take(learner: Learner, strictness: Any) -> None:
        learner._rate = LearningRate(learner.optimizer, learner._runtime.device)
        learner._ahead = steps = StepsAhead(
            learner._step, learner.batches, learner._rate, learner._images, learner._labels
        )
        learner.model.train()
        steps.start(first_step=0)
        steps.take()
        strictness.strict = True
        steps.take()

    return take


@pytest.fixture(scope="session")
def trial_of() -> TrialOf:
    """Make the configuration of a small trial, with other keys in some sections."""

    def make(**settings: Any) -> TrialConfig:
        values: dict[str, Any] = {
            "data": {"tasks": TASKS, "image_size": 48},
            "network": {"width": 0.125, "batch_norm_momentum": 0.1},
            "modulation": {"points": ("res5", "fc")},
            "batches": {"batch_size": 9},
            "optimization": {"learning_rate": 1e-3, "epochs": 4, "steps_per_epoch": 3},
            "compute": {"device": "cpu"},
        }
        for section, chosen in settings.items():
            values[section] = values.get(section, {}) | chosen if isinstance(chosen, dict) else chosen
        return TrialConfig.model_validate(values)

    return make


@pytest.fixture
def learner_on() -> Iterator[LearnerOn]:
    """Make the learner of a trial on a device, whatever device the trial names."""
    entered = []

    def make(config: TrialConfig, device: torch.device) -> Learner:
        context = trial_runtime(config.compute)
        runtime: Runtime = context.__enter__()
        entered.append(context)
        split = split_for(len(config.data.tasks), config.data.image_size)
        return Learner(config, split, dataclasses.replace(runtime, device=device))

    yield make
    for context in reversed(entered):
        context.__exit__(None, None, None)


@pytest.fixture
def meta_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch take the meta device where it only knows devices with kernels: for fused optimizers and autocast."""
    autocast = torch.autocast

    def on_meta(device_type: str, *more: Any, **settings: Any) -> torch.autocast:
        return autocast("cpu" if device_type == "meta" else device_type, *more, **settings)

    monkeypatch.setattr(torch, "autocast", on_meta)
    optimizer = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])


@pytest.fixture
def accelerator() -> torch.device:
    """The accelerator of this machine."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    pytest.skip("this machine has neither a CUDA device nor Apple's mps")


def _module(name: str) -> ModuleType:
    """Load a module of this folder; tests are no package to import it from."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def module_of() -> Callable[[str], ModuleType]:
    """Load a module of this folder anew."""
    return _module


@pytest.fixture(scope="session")
def cases() -> ModuleType:
    """``cases.py``, the kinds of steps."""
    return _module("cases")


@pytest.fixture(scope="session")
def host_reads() -> ModuleType:
    """``host_reads.py``, the mode in which host and device are apart."""
    return _module("host_reads")


@pytest.fixture(scope="session")
def training() -> ModuleType:
    """``training.py``, some steps and their comparison."""
    return _module("training")
