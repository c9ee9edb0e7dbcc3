"""Stops arms that have only identical failures, for the rest of the current run.

Stopped arms are not recorded, so the next run retries them. Does not use Ray.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from study.journal.events import Event
from study.journal.failures import may_pass, signature

ENOUGH_TRIALS = 2
"""Number of different trials that fail with the same code error before a further trial is considered futile."""


@dataclass
class _ArmRecord:
    """Outcomes of an arm's units in this run.

    Attributes:
        ended_well: whether any unit ended without failure.
        failure: the last failure.
        times: per trial, how often it ended in that failure since a different one last occurred in the arm.
    """

    ended_well: bool = False
    failure: Event | None = None
    times: Counter[str] = field(default_factory=Counter)


class EqualFailures:
    """Counts identical failures and reports the arms to stop.

    An arm without a single successful unit is stopped when two different trials fail with the same code error. As long
    as no unit of the run has succeeded, identical failures in other arms count too. A transient failure (memory, disks,
    lost workers) stops the arm only when one trial has failed with it as often as it may be tried, since a lost node
    fails many trials, but each only once.

    Args:
        retries: gives the retries of a trial in one run after a kind of failure.
    """

    def __init__(self, retries: Callable[[str], int]) -> None:
        self._retries = retries
        self._arms: defaultdict[str, _ArmRecord] = defaultdict(_ArmRecord)
        self._stopped: dict[str, Event] | None = {}  # None: to be counted again

    def ended_well(self, arm_id: str) -> None:
        """Record that a unit of the arm ended without failure: trained, paused or diverged."""
        if not self._arms[arm_id].ended_well:
            self._arms[arm_id].ended_well = True
            self._stopped = None

    def failed(self, arm_id: str, trial_id: str, failure: Event) -> None:
        """Record a failure of a trial."""
        arm, self._stopped = self._arms[arm_id], None
        if arm.failure is None or signature(arm.failure) != signature(failure):
            arm.times.clear()
        arm.failure = failure
        arm.times[trial_id] += 1

    def would_fail_again(self, arm_id: str) -> Collection[str]:
        """Return the arm's trials whose last failure was a code error, which another attempt is unlikely to resolve."""
        arm = self._arms[arm_id]
        return arm.times.keys() if arm.failure is not None and not may_pass(arm.failure) else ()

    def stopped(self) -> Mapping[str, Event]:
        """Return the last failure of every stopped arm, by arm id."""
        if self._stopped is None:
            self._stopped = {
                arm_id: arm.failure
                for arm_id, arm in self._arms.items()
                if arm.failure is not None and not arm.ended_well and self._is_enough(arm, arm.failure)
            }
        return self._stopped

    def _is_enough(self, arm: _ArmRecord, failure: Event) -> bool:
        if may_pass(failure):
            return max(arm.times.values()) >= max(2, 1 + self._retries(failure["kind"]))
        trials = len(arm.times)
        if not any(other.ended_well for other in self._arms.values()):
            same = signature(failure)
            trials = sum(
                len(other.times)
                for other in self._arms.values()
                if other.failure is not None and signature(other.failure) == same
            )
        return trials >= ENOUGH_TRIALS
