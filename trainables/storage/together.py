"""Measured seconds of several trained arms, taken in turn: what the machine does meanwhile falls on all alike."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from trainables.storage.seconds import REPEATS, Seconds, time_once
from trainables.storage.stored import StoredTrial, on_this_machine
from trainables.training.runtime import trial_runtime
from trainables.training.weights import restored_model


def seconds_of(trials: Sequence[StoredTrial]) -> tuple[Seconds, ...]:
    """Return the medians of ``REPEATS`` rounds; a round times every network once, and holds one at a time.

    Raises:
        ValueError: Weights are missing, damaged or of another trial.
    """
    rounds = [[_timed(trial) for trial in trials] for _ in range(REPEATS)]
    return tuple(_median(own) for own in zip(*rounds, strict=True))


def _timed(trial: StoredTrial) -> Seconds:
    config = on_this_machine(trial.config)
    with trial_runtime(config.compute) as runtime:
        model, _ = restored_model(trial.weights, trial.trial_id, trial.config)
        return time_once(model, config, runtime)


def _median(own: Sequence[Seconds]) -> Seconds:
    image, query, search = (
        statistics.median(values) for values in zip(*((one.image, one.query, one.search) for one in own), strict=True)
    )
    return Seconds(image, query, search, own[0].device, own[0].threads)
