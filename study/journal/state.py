"""The state of a trial, derived from its journal: its history, and its objective at every halving rung."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from study.journal.history import WITHOUT_RESULT, TrialHistory, derive_history
from study.journal.journal import Journal, read_journal

_NONE = frozenset[int]()


@dataclass(frozen=True, slots=True)
class TrialState:
    """The state of a trial, derived from its journal.

    Attributes:
        history: the history of the trial.
        rungs: the objective at every rung at which the trial has paused, by epoch; None if not finite.
        passed: the rungs recorded by later lines, including those whose own ``paused`` line is lost.
        decided: whether the trial was kept, at every rung at which the driver has recorded a decision, by epoch.
    """

    history: TrialHistory
    rungs: dict[int, float | None]
    passed: frozenset[int] = _NONE
    decided: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep one empty set for all trials: a driver has their states in memory."""
        object.__setattr__(self, "passed", self.passed or _NONE)

    def objective_at(self, rung: int) -> float | None:
        """Return the objective at the first pause at or after ``rung``, else at the end.

        None if the trial has not reached the rung, or if its ``paused`` line for the rung is lost. A non-finite
        objective counts as minus infinity.
        """
        if rung in self.passed and rung not in self.rungs:
            return None
        reached = rung if rung in self.rungs else min((epoch for epoch in self.rungs if epoch > rung), default=None)
        if reached is not None:
            return _worst_if_missing(self.rungs[reached])
        if self.history.state == "completed":
            return _worst_if_missing(self.history.objective)
        return None

    def was_kept(self, rung: int) -> bool | None:
        """Return what was decided at a rung; None if nothing was.

        A trial that has gone on was kept, even if the line that says so is lost.
        """
        if rung in self.decided:
            return self.decided[rung]
        return True if self.history.epoch > rung else None

    def is_done(self, until_epoch: int | None) -> bool:
        """Return whether training to this epoch (None: to the end) would add nothing to the journal."""
        history = self.history
        if until_epoch is None or history.state in WITHOUT_RESULT:
            return history.is_final and history.is_whole
        return self.objective_at(until_epoch) is not None and history.has_epochs(until_epoch)


def _worst_if_missing(objective: float | None) -> float:
    return float("-inf") if objective is None else objective


def read_state(journal: Path) -> TrialState | None:
    """Return the state derived from the journal at this path, or None if it has no ``planned`` event yet."""
    return state_of(read_journal(journal))


def state_of(content: Journal) -> TrialState | None:
    """Return the state derived from a journal's content, or None if it has no ``planned`` event yet."""
    history = derive_history(content.events, content.torn)
    if history is None:
        return None
    rungs = {event["epoch"]: event.get("objective") for event in content.events if event["event"] == "paused"}
    passed = frozenset(rung for event in content.events for rung in event.get("rungs", ()))
    return TrialState(history, rungs, passed, _decided(content))


def _decided(content: Journal) -> dict[int, bool]:
    """Return the first decision at every rung, which counts."""
    found: dict[int, bool] = {}
    for event in content.events:
        if event["event"] in ("kept", "pruned"):
            found.setdefault(event["epoch"], event["event"] == "kept")
    return found
