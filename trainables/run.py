"""``run_trial``: start or resume a trial, train it, report its epochs, measure it, and keep its weights.

The order of writes ensures that no interruption costs more than an epoch or changes a number. Each epoch is reported,
then checkpointed (a repeated epoch reports the same numbers); at the end, the weights are written before the checkpoint
is removed. Checkpoint and weights contain the reported records, so that lost ones can be reported again. If they are
damaged, they are set aside and the trial starts over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.diagnostics.agreement_probe import AgreementProbe
from trainables.evaluation.evaluator import VALIDATION, SplitEvaluator
from trainables.failures import DivergedError, reading_data, typed_failures
from trainables.foundation.files import temporary_path
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome
from trainables.sampling.triplets import TripletStore
from trainables.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainables.training.learner import Learner
from trainables.training.records import TrialRecords
from trainables.training.runtime import Runtime, peak_memory_bytes, trial_runtime
from trainables.training.weights import read_weights, save_weights

__all__ = ["CHECKPOINT_FILE", "WEIGHTS_FILE", "DivergedError", "EpochRecord", "TaskMetric", "TrialOutcome", "run_trial"]

CHECKPOINT_FILE = "checkpoint.pt"
WEIGHTS_FILE = "weights.safetensors"

_log = logging.getLogger(__name__)

Report = Callable[[EpochRecord], None]


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
            and is not finished. None means ``optimization.epochs``.

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
    with trial_runtime(config.compute) as runtime:
        trial = _Trial(config, workspace, cache, runtime)
        last = config.optimization.epochs
        until = last if until_epoch is None else min(until_epoch, last)
        trial.load(until)
        if trial.has_measured(until):
            trial.repeat(report, until)
            return trial.measured_at(until)
        trial.repeat(report, trial.epoch)
        trial.train(report, until)
        return trial.finish() if trial.epoch == last else trial.pause()


class _Trial:
    """One trial in this process: its parts and its progress."""

    def __init__(self, config: TrialConfig, workspace: Path, cache: Path, runtime: Runtime) -> None:
        with reading_data():
            dataset = prepare_dataset(config.data, config.data_seed, cache)
        self.epoch = 0
        self._config = config
        self._runtime = runtime
        self._id = trial_id(config, dataset.fingerprint)
        self._learner = Learner(config, dataset.splits["train"], runtime)
        store = TripletStore.in_cache(cache, dataset.fingerprint, config.data_seed)
        self._evaluator = SplitEvaluator(dataset, config.evaluation, store, config.compute, config.data.preprocessing)
        self._probe = (
            AgreementProbe(config, dataset.splits["train"], runtime) if config.agreement.every_epochs else None
        )
        self._checkpoint = workspace / CHECKPOINT_FILE
        self._weights = workspace / WEIGHTS_FILE
        self._records = TrialRecords()
        self._earlier_peak = 0
        self._validation: Tensor | None = None

    def load(self, until_epoch: int) -> None:
        """Load the state in the workspace, unless it is past a rung that was never measured."""
        weights = read_weights(self._weights, self._id)
        if weights is not None:
            self._learner.model.load_stored_state(weights.tensors)
            self._records = weights.records
            self.epoch = self._config.optimization.epochs
            return
        found = load_checkpoint(self._checkpoint, self._id)
        if found is None:
            return
        records = TrialRecords.from_dict(found.records)
        if found.epoch > until_epoch and until_epoch not in records.rungs:
            _log.warning("%s is past the requested epoch %d: starting over", self._checkpoint, until_epoch)
            return
        self._learner.load_state(found)
        self._records = records
        self.epoch = found.epoch
        self._earlier_peak = found.peak_memory_bytes

    def repeat(self, report: Report, until_epoch: int) -> None:
        """Report the epochs of earlier calls again, up to ``until_epoch``."""
        for record in self._records.earlier(until_epoch):
            report(record)

    def has_measured(self, epoch: int) -> bool:
        """Whether the trial is past this rung and has measured it."""
        return epoch < self.epoch and epoch in self._records.rungs

    def measured_at(self, epoch: int) -> TrialOutcome:
        """Return the outcome measured when the trial paused there."""
        return self._paused(epoch, self._records.rungs[epoch])

    def train(self, report: Report, until_epoch: int) -> None:
        """Run the epochs up to ``until_epoch``; report each, then write the checkpoint."""
        while self.epoch < until_epoch:
            started = time.perf_counter()
            metrics = self._run_epoch(self.epoch + 1, last=self.epoch + 1 == until_epoch)
            self.epoch += 1
            record = EpochRecord(self.epoch, time.perf_counter() - started, metrics)
            report(record)
            self._records.epochs.append(record)
            self._save()

    def pause(self) -> TrialOutcome:
        """Measure on validation only, and keep the metrics in the checkpoint."""
        metrics = self._measure(VALIDATION)
        if self.epoch not in self._records.rungs:
            self._records.rungs[self.epoch] = metrics
            self._save()
        return self._paused(self.epoch, metrics)

    def _paused(self, epoch: int, metrics: tuple[TaskMetric, ...]) -> TrialOutcome:
        return TrialOutcome(
            epoch, finished=False, task_metrics=metrics, peak_memory_bytes=self._peak(), weights_file=None
        )

    def _save(self) -> None:
        state, records = self._learner.state(), self._records.to_dict()
        kept = Checkpoint(self._id, self.epoch, **state, peak_memory_bytes=self._peak(), records=records)
        save_checkpoint(self._checkpoint, kept)

    def finish(self) -> TrialOutcome:
        """Measure on the configured splits, keep the weights, and remove the checkpoint."""
        metrics = tuple(row for split in self._config.evaluation.splits for row in self._measure(split))
        if not self._weights.exists():
            save_weights(self._weights, self._learner.model, self._config, self._id, self._records)
        for leftover in (self._checkpoint, temporary_path(self._checkpoint), temporary_path(self._weights)):
            leftover.unlink(missing_ok=True)
        return TrialOutcome(
            self.epoch,
            finished=True,
            task_metrics=metrics,
            peak_memory_bytes=self._peak(),
            weights_file=str(self._weights),
        )

    def _run_epoch(self, epoch: int, *, last: bool) -> dict[str, float]:
        model, every = self._learner.model, self._config.agreement.every_epochs
        probe = self._probe if self._probe and epoch % every == 0 else None
        window = probe.begin(model) if probe else None
        metrics = self._learner.run_epoch(epoch)
        if probe and window:
            metrics |= probe.end(model, window)
        dead = model.dead_channels()
        metrics |= {f"modulation/dead_channels/{point}": float(count) for point, count in dead.items()}
        self._validation = None
        if last or epoch % self._config.evaluation.validate_every == 0:
            try:
                self._validation = self._evaluator.embed(model, VALIDATION)
            except DivergedError:
                if last:
                    raise
                return metrics  # an intermediate evaluation is not decisive: running statistics may just be lagging
            metrics |= self._evaluator.epoch_metrics(self._validation)
        return metrics

    def _measure(self, split: str) -> tuple[TaskMetric, ...]:
        """Return all metrics of a split; validation has been embedded by the last epoch of the call."""
        known = self._validation if split == VALIDATION else None
        embeddings = self._evaluator.embed(self._learner.model, split) if known is None else known
        return self._evaluator.task_metrics(embeddings, split)

    def _peak(self) -> int:
        return max(self._earlier_peak, peak_memory_bytes(self._runtime))
