"""How long an epoch will take on this machine, from a few timed steps. Nothing that is trained here is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from statistics import median

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.evaluation.evaluator import VALIDATION
from trainables.evaluation.measure import embed_split, freeze_split
from trainables.sampling.triplets import TripletStore
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime

PROBED_IMAGES = 128
"""Validation images embedded to estimate how long all of them take."""


def seconds_per_epoch(config: TrialConfig, cache: Path, steps: int = 3) -> float:
    """Return the expected seconds of one epoch, its share of validation included.

    The median of ``steps`` training steps, after one to warm up, times the steps of an epoch; plus the time to embed
    the validation images, scaled up from ``PROBED_IMAGES`` of them and divided by ``evaluation.validate_every``. Other
    work on the machine counts. Decodes the data if nobody has yet, which does not count.

    Raises:
        ValueError: the configuration does not fit the data or the machine.
    """
    dataset = prepare_dataset(config.data, config.data_seed, cache)
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, dataset.splits["train"], runtime)
        stream = chain.from_iterable(learner.batches.epoch() for _ in repeat(None))
        times = [_seconds(runtime, partial(learner.take_step, batch)) for batch in islice(stream, steps + 1)]
        store = TripletStore.in_cache(cache, dataset.fingerprint, config.data_seed)
        frozen = freeze_split(dataset.splits[VALIDATION], VALIDATION, dataset.tasks, config.evaluation, store)
        few = replace(frozen, rows=frozen.rows[:PROBED_IMAGES])
        embed = partial(embed_split, learner.model, few, config.compute, config.data.preprocessing)
        embedding = _seconds(runtime, embed)
        validation = embedding * len(frozen.rows) / len(few.rows)
        return median(times[1:]) * learner.batches.steps_per_epoch + validation / config.evaluation.validate_every


def _seconds(runtime: Runtime, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    runtime.synchronize()
    return time.perf_counter() - started
