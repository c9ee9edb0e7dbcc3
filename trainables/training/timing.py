"""Estimates the duration of an epoch on this machine from a few timed steps. The trained model is discarded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from trainables.config.trial import TrialConfig
from trainables.data import Dataset, prepare_dataset
from trainables.evaluation.evaluator import VALIDATION
from trainables.evaluation.frozen import freeze_split
from trainables.evaluation.measure import embed_split
from trainables.networks.multi_task import MultiTaskModel
from trainables.sampling.triplet_store import TripletStore
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime
from trainables.training.steps.capture import WARM_UP

PROBED_IMAGES = 128
"""Number of validation images embedded to estimate the time for all of them."""


def seconds_per_epoch(config: TrialConfig, cache: Path, steps: int = 3) -> float:
    """Return the expected seconds per epoch, including its share of validation.

    The estimate is the median time of ``steps`` training steps after the first ones, times the steps per epoch, plus
    the time to embed the validation images, scaled up from ``PROBED_IMAGES`` of them and divided by
    ``evaluation.validate_every``. Other load on the machine affects it. If the data has not been decoded yet, it is
    decoded first, which is not timed.

    Raises:
        ValueError: the configuration does not fit the data or the machine.
    """
    dataset = prepare_dataset(config.data, config.data_seed, cache)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, dataset.splits["train"], runtime)
        step = seconds_per_step(learner.endless_steps(), runtime, steps)
        validation = seconds_of_validation(learner.model, config, dataset, cache, runtime)
        return step * learner.batches.steps_per_epoch + validation / config.evaluation.validate_every


def seconds_per_step(stream: Iterator[None], runtime: Runtime, steps: int) -> float:
    """Return the median seconds of ``steps`` items of a stream, after the first ones, which take longer."""
    warm_up = 1 if runtime.device.type == "cpu" else WARM_UP + 2  # after these, the capture and its first replay
    return median([_seconds(runtime, partial(next, stream)) for _ in range(steps + warm_up)][warm_up:])


def seconds_of_validation(
    model: MultiTaskModel, config: TrialConfig, dataset: Dataset, cache: Path, runtime: Runtime
) -> float:
    """Return the seconds to embed the validation images of a trial once, scaled up from ``PROBED_IMAGES`` of them."""
    store = TripletStore.in_cache(cache, dataset.fingerprint, config.data_seed)
    frozen = freeze_split(dataset.splits[VALIDATION], VALIDATION, dataset.tasks, config.evaluation, store)
    few = replace(frozen, rows=frozen.rows[:PROBED_IMAGES])
    embed = partial(embed_split, model, few, config.compute, config.data.preprocessing)
    return _seconds(runtime, embed) * len(frozen.rows) / len(few.rows)


def _seconds(runtime: Runtime, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    runtime.synchronize()
    return time.perf_counter() - started
