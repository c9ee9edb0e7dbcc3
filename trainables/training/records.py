"""What a trial has told so far, kept with its checkpoint and its weights: whoever lost a record is told it again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trainables.outcome import EpochRecord, TaskMetric


@dataclass
class TrialRecords:
    """The record of every epoch done, in order, and the validation metrics of every rung that was measured."""

    epochs: list[EpochRecord] = field(default_factory=list)
    rungs: dict[int, tuple[TaskMetric, ...]] = field(default_factory=dict)

    def earlier(self, until_epoch: int) -> tuple[EpochRecord, ...]:
        """Return the records of epochs up to ``until_epoch``, marked as those of an earlier call."""
        return tuple(replace(record, earlier=True) for record in self.epochs[:until_epoch])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as lists and plain values."""
        return {
            "epochs": [[record.epoch, record.seconds, record.metrics] for record in self.epochs],
            "rungs": [[epoch, [asdict(row) for row in rows]] for epoch, rows in self.rungs.items()],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialRecords:
        """Return the records that ``to_dict`` gave ``values`` for."""
        epochs = [EpochRecord(epoch, seconds, dict(metrics)) for epoch, seconds, metrics in values["epochs"]]
        rungs = {epoch: tuple(TaskMetric(**row) for row in rows) for epoch, rows in values["rungs"]}
        return cls(epochs, rungs)
