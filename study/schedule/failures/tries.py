"""Counts the tries of each trial in one run, every kind of failure against a limit of its own. Does not use Ray."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable


class Tries:
    """Decides whether a trial may be tried again in this run.

    Args:
        retries: gives the retries of a kind of failure; an empty kind stands for a unit that ended without one.
    """

    def __init__(self, retries: Callable[[str], int]) -> None:
        self._retries = retries
        self._vain: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def ended_in_vain(self, trial_id: str, kind: str) -> None:
        """Record that a unit has ended with the trial unfinished."""
        self._vain[trial_id][kind] += 1

    def left(self, trial_id: str) -> bool:
        """Return whether no kind of failure has used up its retries."""
        vain = self._vain.get(trial_id)
        return vain is None or all(times <= self._retries(kind) for kind, times in vain.items())
