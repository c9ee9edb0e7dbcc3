"""The driver's view of a run in progress: its state and the trials in flight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.journal.history import read_history
from study.schedule.progress import RunProgress


@dataclass(frozen=True)
class Workload:
    """The state of a run when a unit was handed out or ended.

    Attributes:
        progress: the progress at that time.
        in_flight: the journals of the trials in flight, by trial id, in the order they were handed out.
    """

    progress: RunProgress
    in_flight: dict[str, Path]

    @property
    def trials_done(self) -> int:
        """Number of trials that need no more work."""
        return self.progress.done

    @property
    def trials_total(self) -> int:
        """Number of all trials, including those not sampled yet."""
        return self.progress.total

    @property
    def failed(self) -> int:
        """Number of trials whose last attempt failed."""
        return self.progress.failed

    def now(self) -> RunProgress:
        """Return the current progress, with the journals that the workers are writing reread."""
        histories = {trial_id: read_history(journal) for trial_id, journal in self.in_flight.items()}
        return self.progress.with_histories({key: found for key, found in histories.items() if found is not None})
