"""Pruning within one round of one arm: survivors are determined once all trials have reached the rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.definition.halving import HalvingSection
from study.journal.history import WITHOUT_RESULT
from study.journal.state import TrialState
from study.plan.plan import PlannedTrial
from study.schedule.pruning.cheaper_arms import NO_BAR, Bar
from study.schedule.units import WorkUnit

States = Mapping[str, TrialState]


@dataclass(frozen=True)
class Pruning:
    """A trial that ends at a rung, its objective there, and whether a cheaper arm beat it; else its own round did."""

    trial: PlannedTrial
    epoch: int
    objective: float
    by_cheaper_arm: bool = False


@dataclass(frozen=True)
class AtRung:
    """A trial that stands at a rung until somebody decides on it, and its objective there."""

    trial: PlannedTrial
    epoch: int
    objective: float


@dataclass(frozen=True)
class RoundProgress:
    """The state of a round: units to run now, trials pruned so far, and whether the rest waits.

    It waits for cheaper arms, or for decisions on ``undecided`` trials. Without units and without waiting, the round is
    over.
    """

    ready: tuple[WorkUnit, ...]
    pruned: tuple[Pruning, ...]
    waits: bool = False
    undecided: tuple[AtRung, ...] = ()


def round_progress(
    trials: Sequence[PlannedTrial], states: States, halving: HalvingSection | None, bar: Bar | None = NO_BAR
) -> RoundProgress:
    """Return the state of a round under synchronous halving, derived only from the states of its trials and the bar.

    A ``pruned`` event is a record, not an input: the decision is recomputed from the objectives at the rungs.

    Args:
        trials: of the round.
        states: of at least these trials.
        halving: None trains all of them to the end.
        bar: set by cheaper arms for those that halving keeps at a rung; None if it is not known yet.
    """
    entrants, pruned = list(trials), list[Pruning]()
    rungs, keep = (halving.rungs, halving.keep) if halving else ((), 1.0)
    for rung in rungs:
        reached = {trial.trial_id: objective_at(states, trial, rung) for trial in entrants}
        running = [trial for trial in entrants if reached[trial.trial_id] is None and not is_out(states, trial)]
        if running:
            return RoundProgress(tuple(WorkUnit.of(trial, states, rung) for trial in running), tuple(pruned))
        objectives = {key: value for key, value in reached.items() if value is not None}
        kept = survivors(objectives, math.ceil(keep * len(entrants)))
        lost = [trial for trial in entrants if trial.trial_id in objectives.keys() - kept]
        pruned += [Pruning(trial, rung, objectives[trial.trial_id]) for trial in lost]
        if bar is None and kept:
            return RoundProgress((), tuple(pruned), waits=True)
        beaten = bar.beaten({key: objectives[key] for key in kept}, rung) if bar is not None else set()
        lost = [trial for trial in entrants if trial.trial_id in beaten]
        pruned += [Pruning(trial, rung, objectives[trial.trial_id], by_cheaper_arm=True) for trial in lost]
        entrants = [trial for trial in entrants if trial.trial_id in kept - beaten]
    ready = tuple(WorkUnit.of(trial, states) for trial in entrants if not is_final(states, trial))
    return RoundProgress(ready, tuple(pruned))


def survivors(objectives: Mapping[str, float], keep: int) -> set[str]:
    """Return the ``keep`` best trials and any that tie with the last of them."""
    ranked = sorted(objectives.values(), reverse=True)
    if not ranked:
        return set()
    threshold = ranked[min(keep, len(ranked)) - 1]
    return {key for key, value in objectives.items() if value >= threshold}


def objective_at(states: States, trial: PlannedTrial, rung: int) -> float | None:
    """Return a trial's objective at a rung; None before it, and for trials without a result."""
    state = states.get(trial.trial_id)
    return None if state is None or is_out(states, trial) else state.objective_at(rung)


def is_out(states: States, trial: PlannedTrial) -> bool:
    """Return whether a trial has ended without a result."""
    state = states.get(trial.trial_id)
    return state is not None and state.history.state in WITHOUT_RESULT


def is_final(states: States, trial: PlannedTrial) -> bool:
    """Return whether rerunning a trial could not change its outcome."""
    state = states.get(trial.trial_id)
    return state is not None and state.history.is_final
