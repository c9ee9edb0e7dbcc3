"""What is run: one planned trial to its end or to a rung, and what its journal says about it so far. No Ray here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from study.journal import TrialHistory, derive_history, read_journal
from study.layout import RunFolder
from study.plan import PlannedTrial


@dataclass(frozen=True)
class WorkUnit:
    """One trial to be trained until ``until_epoch`` epochs are done (a rung), or to its end when that is None."""

    trial: PlannedTrial
    until_epoch: int | None = None


@dataclass(frozen=True)
class TrialState:
    """A trial's history, and its objective at every rung it has paused at (by epoch; None: it was not finite)."""

    history: TrialHistory
    rungs: dict[int, float | None]

    def objective_at(self, rung: int) -> float | None:
        """Return the objective at the first pause at or after ``rung``, else at the end; None when not that far yet.

        An objective that is not finite counts as minus infinity.
        """
        reached = [epoch for epoch in sorted(self.rungs) if epoch >= rung]
        if reached:
            return _worst_if_missing(self.rungs[reached[0]])
        if self.history.state == "completed":
            return _worst_if_missing(self.history.objective)
        return None


def _worst_if_missing(objective: float | None) -> float:
    return float("-inf") if objective is None else objective


def read_state(journal: Path) -> TrialState | None:
    """Return what the journal at this path says, or None when it names no trial yet."""
    content = read_journal(journal)
    history = derive_history(content.events, content.torn)
    if history is None:
        return None
    rungs = {event["epoch"]: event.get("objective") for event in content.events if event["event"] == "paused"}
    return TrialState(history, rungs)


def read_states(folder: RunFolder) -> dict[str, TrialState]:
    """Return the state of every trial of a run by trial id, in the order of ids."""
    found = (read_state(path) for path in sorted(folder.trials.glob("*/journal.jsonl")))
    return {state.history.trial_id: state for state in found if state is not None}
