"""Records in a trial's journal what was decided at a rung, and removes the checkpoints of a trial that ends there."""

from __future__ import annotations

from typing import Any

from study.journal.index import read_and_note
from study.journal.journal import JournalWriter
from study.journal.state import TrialState
from study.layout import RunFolder
from study.retention.removal import remove_checkpoints
from study.schedule.pruning.asynchronous import Decision
from study.schedule.pruning.halving import Pruning


def record_decision(folder: RunFolder, decision: Decision) -> TrialState | None:
    """Record a decision of asynchronous halving, with what it was taken from; return the trial's state after it."""
    trial_id, at = decision.at.trial.trial_id, decision.at
    from_what = {"objective": at.objective, "among": decision.among, "better": decision.better}
    state = _record(folder, trial_id, "kept" if decision.kept else "pruned", epoch=at.epoch, **from_what)
    if not decision.kept:
        remove_checkpoints(folder.trial(trial_id))
    return state


def record_pruning(folder: RunFolder, pruning: Pruning) -> TrialState | None:
    """Record that a trial ends at a rung; return its state after it."""
    trial_id, beaten = pruning.trial.trial_id, {"by_cheaper_arm": True} if pruning.by_cheaper_arm else {}
    state = _record(folder, trial_id, "pruned", epoch=pruning.epoch, objective=pruning.objective, **beaten)
    remove_checkpoints(folder.trial(trial_id))
    return state


def _record(folder: RunFolder, trial_id: str, event: str, **fields: Any) -> TrialState | None:
    with JournalWriter(folder.trial(trial_id).journal) as writer:
        writer.append(event, **fields)
    return read_and_note(folder, trial_id)
