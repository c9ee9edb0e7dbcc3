"""The records a trial has reported, kept with its checkpoint and weights so that lost ones can be reported again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from trainables.outcome import EpochRecord, TaskMetric


@dataclass
class TrialRecords:
    """The records of all epochs done, in order, and the validation metrics of all measured rungs."""

    epochs: list[EpochRecord] = field(default_factory=list)
    rungs: dict[int, tuple[TaskMetric, ...]] = field(default_factory=dict)

    def earlier(self, until_epoch: int) -> tuple[EpochRecord, ...]:
        """Return the records of epochs up to ``until_epoch``, marked as from an earlier call."""
        return tuple(replace(record, earlier=True) for record in self.epochs[:until_epoch])

    def to_dict(self) -> dict[str, Any]:
        """Return the records as lists and plain values."""
        return {
            "epochs": [[record.epoch, record.seconds, record.metrics] for record in self.epochs],
            "rungs": [[epoch, [asdict(row) for row in rows]] for epoch, rows in self.rungs.items()],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrialRecords:
        """Return the records from the result of ``to_dict``."""
        epochs = [EpochRecord(epoch, seconds, dict(metrics)) for epoch, seconds, metrics in values["epochs"]]
        rungs = {epoch: tuple(TaskMetric(**row) for row in rows) for epoch, rows in values["rungs"]}
        return cls(epochs, rungs)
