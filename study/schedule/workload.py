"""A driver's view of a run in progress: its state, and which trials are active."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.journal.history import read_history
from study.schedule.progress import RunProgress


@dataclass(frozen=True)
class Workload:
    """A run at the moment a unit was handed out or ended.

    Attributes:
        progress: where it stood then.
        in_flight: the journals of the trials handed out, by trial id, in the order they were.
    """

    progress: RunProgress
    in_flight: dict[str, Path]

    @property
    def trials_done(self) -> int:
        """Trials that need no more work."""
        return self.progress.done

    @property
    def trials_total(self) -> int:
        """All trials, those not sampled yet included."""
        return self.progress.total

    @property
    def failed(self) -> int:
        """Trials whose last attempt failed."""
        return self.progress.failed

    def now(self) -> RunProgress:
        """Return where the run stands by the journals that the workers write at this moment."""
        histories = {trial_id: read_history(journal) for trial_id, journal in self.in_flight.items()}
        return self.progress.with_histories({key: found for key, found in histories.items() if found is not None})
