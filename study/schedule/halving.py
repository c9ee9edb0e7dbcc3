"""Synchronous halving within one round of one arm: survivors are determined once all trials have reached the rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.definition.model import HalvingSection
from study.journal.history import WITHOUT_RESULT
from study.journal.state import TrialState
from study.plan.plan import PlannedTrial
from study.schedule.units import WorkUnit

States = Mapping[str, TrialState]


@dataclass(frozen=True)
class Pruning:
    """A trial that halving ends at a rung, and its objective there."""

    trial: PlannedTrial
    epoch: int
    objective: float


@dataclass(frozen=True)
class RoundProgress:
    """The state of a round: units to run now (none: the round is over), and trials pruned so far."""

    ready: tuple[WorkUnit, ...]
    pruned: tuple[Pruning, ...]


def round_progress(trials: Sequence[PlannedTrial], states: States, halving: HalvingSection | None) -> RoundProgress:
    """Return the state of a round, derived only from the states of its trials.

    A ``pruned`` event is a record, not an input: the decision is recomputed from the objectives at the rungs.
    """
    entrants, pruned = list(trials), list[Pruning]()
    rungs, keep = (halving.rungs, halving.keep) if halving else ((), 1.0)
    for rung in rungs:
        reached = {trial.trial_id: _objective(states, trial, rung) for trial in entrants}
        running = [trial for trial in entrants if reached[trial.trial_id] is None and not _is_out(states, trial)]
        if running:
            return RoundProgress(tuple(WorkUnit.of(trial, states, rung) for trial in running), tuple(pruned))
        objectives = {key: value for key, value in reached.items() if value is not None}
        survivors = _survivors(objectives, math.ceil(keep * len(entrants)))
        lost = [trial for trial in entrants if trial.trial_id in objectives.keys() - survivors]
        pruned += [Pruning(trial, rung, objectives[trial.trial_id]) for trial in lost]
        entrants = [trial for trial in entrants if trial.trial_id in survivors]
    ready = tuple(WorkUnit.of(trial, states) for trial in entrants if not _is_final(states, trial))
    return RoundProgress(ready, tuple(pruned))


def _survivors(objectives: dict[str, float], keep: int) -> set[str]:
    """Return the ``keep`` best trials and any that tie with the last of them."""
    ranked = sorted(objectives.values(), reverse=True)
    if not ranked:
        return set()
    threshold = ranked[min(keep, len(ranked)) - 1]
    return {key for key, value in objectives.items() if value >= threshold}


def _objective(states: States, trial: PlannedTrial, rung: int) -> float | None:
    state = states.get(trial.trial_id)
    return None if state is None or _is_out(states, trial) else state.objective_at(rung)


def _is_out(states: States, trial: PlannedTrial) -> bool:
    state = states.get(trial.trial_id)
    return state is not None and state.history.state in WITHOUT_RESULT


def _is_final(states: States, trial: PlannedTrial) -> bool:
    state = states.get(trial.trial_id)
    return state is not None and state.history.is_final
