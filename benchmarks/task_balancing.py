"""How long a training step takes with every method of balancing tasks, as a multiple of ``equal``.

    python -m benchmarks.task_balancing [methods ...]

Twelve binary tasks on one fully shared network (simplenet at width 0.25), 48-pixel images, 32 a step, all tasks on
every image; random images and labels. Methods take turns, one step each, and the ratio is that of the medians.
"""

from __future__ import annotations

import sys
import time
from itertools import chain, repeat
from statistics import median

import numpy as np

from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.losses.balancing import BALANCERS
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

TASKS, IMAGES, ROUNDS = 12, 256, 15


def trial(method: str) -> TrialConfig:
    """Return the trial that is timed."""
    return TrialConfig.model_validate(
        {
            "data": {"tasks": [f"task{index}" for index in range(TASKS)], "image_size": 48},
            "network": {"width": 0.25},
            "batches": {"batch_size": 32},
            "balancing": {"method": method},
            "compute": {"device": "cpu", "threads": 1},
        }
    )


def main() -> None:
    """Print a line a method."""
    methods = sys.argv[1:] or list(BALANCERS)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, 48, 48, 3), dtype=np.uint8)
    split = Split(images, generator.integers(0, 2, (IMAGES, TASKS)))
    times: dict[str, list[float]] = {method: [] for method in methods}
    with trial_runtime(trial("equal").compute) as runtime:
        learners = {method: Learner(trial(method), split, runtime) for method in methods}
        streams = {
            method: chain.from_iterable(learner.batches.epoch() for _ in repeat(None))
            for method, learner in learners.items()
        }
        for _ in range(ROUNDS + 1):
            for method, learner in learners.items():
                batch = next(streams[method])
                started = time.perf_counter()
                learner.take_step(batch)
                times[method].append(time.perf_counter() - started)
    medians = {method: median(values[1:]) for method, values in times.items()}
    base = medians.get("equal", next(iter(medians.values())))
    for method, seconds in medians.items():
        print(f"{method:12} {1000 * seconds:8.1f} ms   {seconds / base:6.2f} x")


if __name__ == "__main__":
    main()
