"""Arms with only identical failures in this run, which are stopped for the rest of it.

This is not recorded: the next run tries again. No Ray here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from study.journal.events import Event
from study.journal.failures import may_pass, signature

ENOUGH_TRIALS = 2
"""Different trials that end in the same error of the code: a third one would as well."""


@dataclass
class _ArmRecord:
    """What became of an arm's units in this run: the last failure, and how often which trial ended in it in a row."""

    ended_well: bool = False
    failure: Event | None = None
    times: Counter[str] = field(default_factory=Counter)


class EqualFailures:
    """Takes note of every unit that ends, and says which arms are not worth another.

    An arm that nothing has ended well in is stopped when two different trials end in the same error of the code. As
    long as nothing at all has ended well in the run, another arm's equal failure counts as the second. What may pass
    by itself (memory, disks, lost workers) stops it when one trial has ended in it as often as it may be tried: a lost
    node takes many trials with it, but only once.

    Args:
        tries: how often a trial is tried in one run.
    """

    def __init__(self, tries: int) -> None:
        self._enough_times = max(2, tries)
        self._arms: defaultdict[str, _ArmRecord] = defaultdict(_ArmRecord)

    def ended_well(self, arm_id: str) -> None:
        """Take note that a unit of the arm came to an end of its own: trained, paused or diverged."""
        self._arms[arm_id].ended_well = True

    def failed(self, arm_id: str, trial_id: str, failure: Event) -> None:
        """Take note of a failure."""
        arm = self._arms[arm_id]
        if arm.failure is None or signature(arm.failure) != signature(failure):
            arm.times.clear()
        arm.failure = failure
        arm.times[trial_id] += 1

    def would_fail_again(self, arm_id: str, trial_id: str) -> bool:
        """Whether the trial's last failure was an error of the code, which another attempt is unlikely to mend."""
        arm = self._arms[arm_id]
        return arm.failure is not None and trial_id in arm.times and not may_pass(arm.failure)

    def stopped(self) -> dict[str, Event]:
        """Return the last failure of every arm that is left alone, by arm id."""
        return {
            arm_id: arm.failure
            for arm_id, arm in self._arms.items()
            if arm.failure is not None and not arm.ended_well and self._is_enough(arm, arm.failure)
        }

    def _is_enough(self, arm: _ArmRecord, failure: Event) -> bool:
        if may_pass(failure):
            return max(arm.times.values()) >= self._enough_times
        trials = len(arm.times)
        if not any(other.ended_well for other in self._arms.values()):
            same = signature(failure)
            trials = sum(
                len(other.times)
                for other in self._arms.values()
                if other.failure is not None and signature(other.failure) == same
            )
        return trials >= ENOUGH_TRIALS
