"""A trial in this process: its progress, its records, what it measures, and the files in its workspace.

What is trained is given to it (``Trained``), so that a trial trained alone and a member of a fused unit keep the same
records and files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.data import Dataset, prepare_dataset
from trainables.diagnostics.agreement_probe import AgreementProbe, Window
from trainables.evaluation.evaluator import VALIDATION, SplitEvaluator
from trainables.failures import DivergedError, reading_data
from trainables.foundation.files import temporary_path
from trainables.networks.multi_task import MultiTaskModel
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome
from trainables.sampling.triplet_store import TripletStore
from trainables.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainables.training.records import TrialRecords
from trainables.training.runtime import Runtime, computed_by, peak_memory_bytes
from trainables.training.weights import read_weights, save_weights

CHECKPOINT_FILE = "checkpoint.pt"
WEIGHTS_FILE = "weights.safetensors"

_log = logging.getLogger(__name__)

Report = Callable[[EpochRecord], None]


class Trained(Protocol):
    """What a trial trains: a ``Learner``, or a slot of a fused one."""

    @property
    def model(self) -> MultiTaskModel:
        """The model with its current weights, on its device."""
        ...

    def state(self) -> dict[str, Any]:
        """Return everything that later steps depend on, as the fields of a ``Checkpoint``."""
        ...

    def load_state(self, found: Checkpoint) -> None:
        """Resume from a ``state``."""
        ...

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the stored weights of a finished trial."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a trial needs besides itself, the same for all members of a fused unit."""

    dataset: Dataset
    evaluator: SplitEvaluator
    runtime: Runtime

    @classmethod
    def of(cls, config: TrialConfig, cache: Path, runtime: Runtime) -> Surroundings:
        """Prepare the data of a trial.

        Raises:
            DataError: images or labels cannot be read.
        """
        with reading_data():
            dataset = prepare_dataset(config.data, config.data_seed, cache)
        store = TripletStore.in_cache(cache, dataset.fingerprint, config.data_seed)
        evaluator = SplitEvaluator(dataset, config.evaluation, store, config.compute, config.data.preprocessing)
        return cls(dataset, evaluator, runtime)


class Trial:
    """One trial in this process.

    Attributes:
        epoch: Epochs done.
        checkpoint_file: The file in the workspace from which it resumes.
    """

    def __init__(self, config: TrialConfig, learner: Trained, around: Surroundings, workspace: Path) -> None:
        self.epoch = 0
        self.checkpoint_file = workspace / CHECKPOINT_FILE
        self._config = config
        self._runtime = around.runtime
        self._id = trial_id(config, around.dataset.fingerprint)
        self._named_cpu = trial_id(config, around.dataset.fingerprint, cpu_in_ids=True)
        self._learner = learner
        self._evaluator = around.evaluator
        train = around.dataset.splits["train"]
        self._probe = AgreementProbe(config, train, around.runtime) if config.agreement.every_epochs else None
        self._window: Window | None = None
        self._weights = workspace / WEIGHTS_FILE
        self._records = TrialRecords()
        self._earlier_peak = 0
        self._validation: Tensor | None = None

    def load(self, until_epoch: int) -> None:
        """Load the state in the workspace, unless it is past a rung that was never measured."""
        if not self.load_finished():
            found = self.read(self.checkpoint_file)
            if found is not None and self.may_resume(found, until_epoch):
                self.resume(found)

    def load_finished(self) -> bool:
        """Load the weights in the workspace; return whether there are any, so that the trial is finished."""
        weights = read_weights(self._weights, self._id, self._named_cpu)
        if weights is None:
            return False
        self._learner.load_weights(weights.tensors)
        self._records = weights.records
        self.epoch = self._config.optimization.epochs
        return True

    def read(self, path: Path) -> Checkpoint | None:
        """Return a checkpoint of this trial; None if there is none that can be read."""
        return load_checkpoint(path, self._id, self._named_cpu)

    def may_resume(self, found: Checkpoint, until_epoch: int) -> bool:
        """Return whether a checkpoint leads to the epoch asked for: it is not past it, or has measured it."""
        records = TrialRecords.from_dict(found.records)
        past = found.epoch > until_epoch and not self._has_what_is_asked(records, until_epoch)
        if past:
            _log.warning("%s is past the requested epoch %d: starting over", self.checkpoint_file, until_epoch)
        return not past

    def resume(self, found: Checkpoint) -> None:
        """Continue from a checkpoint, and say so where what it was computed by is not here."""
        here = computed_by(self._runtime.device.type)
        if found.computed_by not in ({}, here):
            _log.warning(
                "%s was computed by %s and is continued by %s: the last bits are those of neither",
                self.checkpoint_file,
                ", ".join(found.computed_by.values()),
                ", ".join(here.values()),
            )
        self._learner.load_state(found)
        self.recall(found)

    def recall(self, found: Checkpoint) -> None:
        """Take the progress and the records from a checkpoint, not the state of training."""
        self._records = TrialRecords.from_dict(found.records)
        self.epoch = found.epoch
        self._earlier_peak = found.peak_memory_bytes

    def repeat(self, report: Report, until_epoch: int) -> None:
        """Report the epochs of earlier calls again, up to ``until_epoch``."""
        for record in self._records.earlier(until_epoch):
            report(record)

    def has_measured(self, epoch: int) -> bool:
        """Whether the trial is past this rung and has measured it."""
        return epoch < self.epoch and self._has_what_is_asked(self._records, epoch)

    def _has_what_is_asked(self, records: TrialRecords, rung: int) -> bool:
        """Whether the metric asked for at rungs was measured there: an earlier call may have asked for another."""
        known, asked = {row.metric for row in records.rungs.get(rung, ())}, self._config.evaluation.rung_metric
        return asked in known if asked else len(known) > 1

    def measured_at(self, epoch: int) -> TrialOutcome:
        """Return the outcome measured when the trial paused there."""
        return self._paused(epoch, self._records.rungs[epoch])

    def begin_epoch(self) -> None:
        """Note what the epoch starts from, where its update agreement is to be measured."""
        probed = self._probe is not None and (self.epoch + 1) % self._config.agreement.every_epochs == 0
        self._window = self._probe.begin(self._learner.model) if self._probe and probed else None

    def measure_epoch(self, *, last: bool) -> dict[str, float]:
        """Return what is measured after the steps of an epoch.

        Args:
            last: Whether it is the last epoch of the call, which is always measured on validation.

        Raises:
            DivergedError: an embedding of the last epoch is not finite.
        """
        model, epoch, metrics = self._learner.model, self.epoch + 1, dict[str, float]()
        if self._probe and self._window:
            metrics |= self._probe.end(model, self._window)
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

    def end_epoch(self, record: EpochRecord, report: Report) -> None:
        """Report an epoch. Its checkpoint is to be written after it."""
        self.epoch = record.epoch
        report(record)
        self._records.epochs.append(record)

    def pause(self) -> TrialOutcome:
        """Measure what is asked for at rungs, on validation only, and keep it in the checkpoint."""
        metrics = self._measure(VALIDATION, self._config.evaluation.rung_metric)
        if not self._has_what_is_asked(self._records, self.epoch):
            self._records.rungs[self.epoch] = metrics
            self.save()
        return self._paused(self.epoch, metrics)

    def _paused(self, epoch: int, metrics: tuple[TaskMetric, ...]) -> TrialOutcome:
        return TrialOutcome(
            epoch, finished=False, task_metrics=metrics, peak_memory_bytes=self._peak(), weights_file=None
        )

    def save(self, path: Path | None = None) -> None:
        """Write the checkpoint, to another file if one is given."""
        state, records = self._learner.state(), self._records.to_dict()
        kept = Checkpoint(
            self._id,
            self.epoch,
            **state,
            peak_memory_bytes=self._peak(),
            records=records,
            computed_by=computed_by(self._runtime.device.type),
        )
        save_checkpoint(path or self.checkpoint_file, kept)

    def finish(self) -> TrialOutcome:
        """Measure on the configured splits, keep the weights, and remove the checkpoint."""
        metrics = tuple(row for split in self._config.evaluation.splits for row in self._measure(split))
        if not self._weights.exists():
            save_weights(self._weights, self._learner.model, self._config, self._id, self._records)
        for leftover in (self.checkpoint_file, temporary_path(self.checkpoint_file), temporary_path(self._weights)):
            leftover.unlink(missing_ok=True)
        return TrialOutcome(
            self.epoch,
            finished=True,
            task_metrics=metrics,
            peak_memory_bytes=self._peak(),
            weights_file=str(self._weights),
            unrepeatable=tuple(sorted(self._runtime.unrepeatable)),
        )

    def _measure(self, split: str, only: str | None = None) -> tuple[TaskMetric, ...]:
        """Return the metrics of a split; validation has been embedded by the last epoch of the call."""
        known = self._validation if split == VALIDATION else None
        embeddings = self._evaluator.embed(self._learner.model, split) if known is None else known
        return self._evaluator.task_metrics(embeddings, split, only)

    def _peak(self) -> int:
        return max(self._earlier_peak, peak_memory_bytes(self._runtime))
