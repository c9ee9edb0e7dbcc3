"""Sums over the trials of one arm, kept as long as its state: an arm that has not changed is not walked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from study.journal.history import WITHOUT_RESULT
from study.schedule.progress import ArmState, TrialProgress

_Found = TypeVar("_Found")


def kept(compute: Callable[[ArmState], _Found]) -> Callable[[ArmState], _Found]:
    """Return the function with a memory: it computes once for every state of an arm that is still in use."""
    found: WeakKeyDictionary[ArmState, _Found] = WeakKeyDictionary()

    @wraps(compute)
    def recall(state: ArmState) -> _Found:
        if state not in found:
            found[state] = compute(state)
        return found[state]

    return recall


@dataclass(frozen=True)
class ArmSums:
    """Sums over an arm's trials.

    Attributes:
        tune_done: tune trials that need no more work.
        confirm_done: confirm trials that need no more work.
        pruned: trials that halving ended.
        paused: trials that wait at a rung.
        failed: trials whose last attempt failed and that would be retried.
        running: trials with a start and no end.
        without_success: trials whose last attempt failed, or that diverged or are infeasible.
        objective: the highest objective of the completed tune trials.
        ended: when those that are done wrote their last line, in unix seconds.
        torn: unreadable lines.
        behind: trials that ended and whose journals have lost records since.
    """

    tune_done: int
    confirm_done: int
    pruned: int
    paused: int
    failed: int
    running: tuple[TrialProgress, ...]
    without_success: tuple[TrialProgress, ...]
    objective: float | None
    ended: tuple[float, ...]
    torn: int
    behind: int


@kept
def arm_sums(state: ArmState) -> ArmSums:
    """Return the sums over the trials of an arm."""
    named = [(trial, trial.state, trial.is_done) for trial in state.trials]
    states = [name for _, name, _ in named]
    tune = [(trial, name) for trial, name, _ in named if trial.trial.stage == "tune"]
    objectives = [trial.objective for trial, name in tune if name == "completed" and trial.objective is not None]
    return ArmSums(
        tune_done=sum(done for trial, _, done in named if trial.trial.stage == "tune"),
        confirm_done=sum(done for trial, _, done in named if trial.trial.stage == "confirm"),
        pruned=states.count("pruned"),
        paused=states.count("paused"),
        failed=states.count("failed"),
        running=tuple(trial for trial, name, _ in named if name == "running"),
        without_success=tuple(trial for trial, name, _ in named if name in ("failed", *WITHOUT_RESULT)),
        objective=max(objectives, default=None),
        ended=tuple(trial.history.updated for trial, _, done in named if done and trial.history is not None),
        torn=sum(trial.history.torn for trial in state.trials if trial.history is not None),
        behind=sum(trial.has_ended and trial.is_behind for trial in state.trials),
    )
