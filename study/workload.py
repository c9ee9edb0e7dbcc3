"""How much of a study is done and left, in multiply-adds, so that arms of unequal cost are weighed fairly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.journal import read_history


@dataclass(frozen=True)
class UnitInFlight:
    """A unit that was handed out: where its journal is, what an epoch costs, and how far the trial was before."""

    trial_id: str
    label: str
    journal: Path
    weight: float
    epochs_before: int
    epochs_wanted: int

    def work_since(self) -> float:
        """Return the work done in epochs journalled since it was handed out."""
        history = read_history(self.journal)
        done = 0 if history is None else min(history.epoch, self.epochs_wanted) - self.epochs_before
        return self.weight * max(0, done)


@dataclass(frozen=True)
class Workload:
    """A study at one moment.

    Attributes:
        done: work in epochs of trials that are not in flight, and in epochs they had before they were handed out.
        left: work still to do at most (halving may end trials early), that of units in flight included.
        trials_done: trials that need no more work.
        trials_total: all trials, those not sampled yet included.
        failed: trials whose last attempt failed.
        in_flight: units handed out, in the order they were.
    """

    done: float
    left: float
    trials_done: int
    trials_total: int
    failed: int
    in_flight: tuple[UnitInFlight, ...] = ()

    def done_now(self) -> float:
        """Return the work done including the epochs that running trials have journalled."""
        return self.done + min(self.left, sum(unit.work_since() for unit in self.in_flight))


@dataclass(frozen=True)
class Pace:
    """Work per second since a moment at which ``done_at_start`` had been done."""

    started: float
    done_at_start: float

    def seconds_left(self, workload: Workload, done_now: float, now: float) -> float | None:
        """Return the expected seconds to the end, None before anything has been done."""
        gained, elapsed = done_now - self.done_at_start, now - self.started
        left = workload.done + workload.left - done_now
        if left <= 0:
            return 0.0
        return elapsed * left / gained if gained > 0 and elapsed > 0 else None
