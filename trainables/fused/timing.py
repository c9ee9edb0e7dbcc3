"""Estimates a member's share of an epoch of its unit on this machine from a few timed steps. Nothing is kept."""

from __future__ import annotations

from pathlib import Path

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.fused.learner import FusedLearner
from trainables.training.runtime import trial_runtime
from trainables.training.timing import seconds_of_validation, seconds_per_step


def seconds_per_epoch_of_member(config: TrialConfig, cache: Path, steps: int = 3) -> float:
    """Return the expected seconds per epoch of a unit of ``compute.fused`` trials, divided by their number.

    Members are validated one after another, so each has the whole time of its own validation. Otherwise as
    ``training.timing.seconds_per_epoch``.

    Raises:
        ValueError: the configuration does not fit the data or the machine.
    """
    slots = config.compute.fused
    dataset = prepare_dataset(config.data, config.data_seed, cache)
    with trial_runtime(config.compute) as runtime:
        members = [config.model_copy(update={"train_seed": config.train_seed + slot}) for slot in range(slots)]
        learner = FusedLearner(members, dataset.splits["train"], runtime)
        step = seconds_per_step(learner.endless_steps(), runtime, steps)
        validation = seconds_of_validation(learner.shown(0), config, dataset, cache, runtime)
        return step * learner.steps_per_epoch / slots + validation / config.evaluation.validate_every
