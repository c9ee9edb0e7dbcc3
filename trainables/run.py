"""``run_trial``: start or resume a trial, train it, report its epochs, measure it, and keep its weights.

The order of writes ensures that no interruption changes a number or costs more than an epoch, or than the interval of
``foundation.checkpointing``. Each epoch is reported, then checkpointed (a repeated epoch reports the same numbers); at
the end, the weights are written before the checkpoint is removed. Checkpoint and weights contain the reported records,
so that lost ones can be reported again. If they are damaged, they are set aside and the trial starts over.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from trainables.config.trial import TrialConfig
from trainables.failures import DivergedError, typed_failures
from trainables.foundation.checkpointing import CheckpointClock
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime
from trainables.trial import CHECKPOINT_FILE, WEIGHTS_FILE, Report, Surroundings, Trial

__all__ = ["CHECKPOINT_FILE", "WEIGHTS_FILE", "DivergedError", "EpochRecord", "TaskMetric", "TrialOutcome", "run_trial"]


@typed_failures(torch.OutOfMemoryError)
def run_trial(
    config: TrialConfig, *, report: Report, workspace: Path, cache: Path, until_epoch: int | None = None
) -> TrialOutcome:
    """Train a trial to the end or to a rung, resuming from the checkpoint in ``workspace`` if there is one.

    On the CPU, interruptions and pauses do not change a single bit of the results. Process-wide torch settings are
    restored when the call ends; the global random state is neither read nor advanced. Only a finished trial whose
    ``evaluation.splits`` include ``test`` touches test images.

    Args:
        config: The trial.
        report: Called after each epoch, before its checkpoint is written. Epochs of earlier calls are reported first,
            marked ``earlier``.
        workspace: The trial's own folder: checkpoint, then weights.
        cache: Decoded images and frozen triplets, shared by all trials on the node.
        until_epoch: A rung: stop after this many epochs in total. The outcome then contains the metrics on validation
            (only ``evaluation.rung_metric``, if given) and is not finished. None means ``optimization.epochs``.

    Returns:
        The outcome. A trial that is already finished is measured again from its weights, with the same numbers.

    Raises:
        DivergedError: a loss or an embedding is not finite.
        DataError: images or labels cannot be read.
        OutOfMemoryError: the process or the device has no memory left.
        DiskFullError: the storage takes nothing more.
        ValueError: the configuration does not fit the data or the machine, ``until_epoch`` is below 1, or
            ``workspace`` belongs to another trial.

    Example:
        >>> import tempfile
        >>> config = TrialConfig.model_validate({
        ...     "data": {
        ...         "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
        ...         "tasks": ("Smiling",),
        ...         "image_size": 48,
        ...     },
        ...     "network": {"width": 0.0625},
        ...     "batches": {"batch_size": 12},
        ...     "optimization": {"epochs": 1},
        ...     "evaluation": {"triplets_per_task": 20},
        ... })
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     workspace, cache = Path(folder, "trial"), Path(folder, "cache")
        ...     outcome = run_trial(config, report=lambda record: None, workspace=workspace, cache=cache)
        >>> outcome.finished
        True
    """
    if until_epoch is not None and until_epoch < 1:
        raise ValueError(f"until_epoch must be at least 1, got {until_epoch}")
    workspace.mkdir(parents=True, exist_ok=True)
    last = config.optimization.epochs
    until = last if until_epoch is None else min(until_epoch, last)
    with trial_runtime(config.compute) as runtime:  # no variable here holds the trial: its memory is given back
        return _run(*_prepared(config, workspace, cache, runtime), report, until, last)


def _prepared(config: TrialConfig, workspace: Path, cache: Path, runtime: Runtime) -> tuple[Trial, Learner]:
    around = Surroundings.of(config, cache, runtime)
    learner = Learner(config, around.dataset.splits["train"], runtime)
    return Trial(config, learner, around, workspace), learner


def _run(trial: Trial, learner: Learner, report: Report, until: int, last: int) -> TrialOutcome:
    trial.load(until)
    if trial.has_measured(until):
        trial.repeat(report, until)
        return trial.measured_at(until)
    trial.repeat(report, trial.epoch)
    clock = CheckpointClock()
    while trial.epoch < until:
        _train_epoch(trial, learner, report, until)
        if clock.is_due(last=trial.epoch == until):
            trial.save()
    return trial.finish() if trial.epoch == last else trial.pause()


def _train_epoch(trial: Trial, learner: Learner, report: Report, until_epoch: int) -> None:
    """Run one epoch and report it; its checkpoint is written after that."""
    started, epoch = time.perf_counter(), trial.epoch + 1
    trial.begin_epoch()
    metrics = learner.run_epoch(epoch) | trial.measure_epoch(last=epoch == until_epoch)
    trial.end_epoch(EpochRecord(epoch, time.perf_counter() - started, metrics), report)
