from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime

TASKS = ("colour", "shape", "size")


def trial_of(method: str = "equal", **settings: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {"tasks": TASKS, "image_size": 48},
        "network": {"width": 0.125},
        "modulation": {"points": ("fc",)},
        "batches": {"batch_size": 9},
        "optimization": {"optimizer": "sgd", "learning_rate": 1e-3, "steps_per_epoch": 2},
        "balancing": {"method": method},
        "compute": {"device": "cpu"},
    }
    for section, chosen in settings.items():
        values[section] = values.get(section, {}) | chosen if isinstance(chosen, dict) else chosen
    return TrialConfig.model_validate(values)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with trial_runtime(trial_of().compute) as found:
        yield found


@pytest.fixture(scope="session")
def split() -> Split:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (30, 48, 48, 3), dtype=np.uint8)
    return Split(images, generator.integers(0, 2, (30, len(TASKS))))


MakeLearner = Callable[..., Learner]


@pytest.fixture
def learner(runtime: Runtime, split: Split) -> MakeLearner:
    def make(method: str = "equal", *, absent: list[int] | None = None, **settings: Any) -> Learner:
        """``absent``: tasks that will have no valid triplet in any step."""
        made = Learner(trial_of(method, **settings), split, runtime)
        made._labels[:, absent or []] = -1
        return made

    return make


@pytest.fixture
def balancer(learner: MakeLearner) -> Callable[..., Any]:
    return lambda method, **settings: learner(method, **settings).balancer
