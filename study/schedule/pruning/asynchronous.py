"""Asynchronous halving: a trial is decided on as soon as it reaches a rung, against those that have reached it so far.

It is the stopping variant of ASHA (Li et al., MLSys 2020), the rule of Ray's ``AsyncHyperBandScheduler`` with one
bracket, over the trials of one arm. Ray's own scheduler sees no trials here, only units that end at a rung, and keeps
its decisions in memory. Nobody waits at a rung, but what a trial is compared with depends on who was there first: a
repetition may decide otherwise. So decisions are recorded in the trial's journal as ``kept`` or ``pruned``, and a
recorded decision is never taken again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from study.definition.halving import HalvingSection
from study.plan.plan import PlannedTrial
from study.schedule.pruning.halving import AtRung, Pruning, RoundProgress, States, is_final, is_out, objective_at
from study.schedule.units import WorkUnit


@dataclass(frozen=True)
class Decision:
    """What was decided on a trial at a rung, and from what: of ``among`` trials, ``better`` had a higher objective."""

    at: AtRung
    kept: bool
    among: int
    better: int


def is_kept(objective: float, reached: Sequence[float], keep: float) -> bool:
    """Return whether a trial goes on: whether it is in the best share of those that have reached the rung, or ties.

    Args:
        objective: of the trial.
        reached: of all trials that have reached the rung so far, this one included.
        keep: the share, rounded up to whole trials.
    """
    return sum(other > objective for other in reached) < math.ceil(keep * len(reached))


def decisions(waiting: Sequence[AtRung], tune: Sequence[PlannedTrial], states: States, keep: float) -> list[Decision]:
    """Return the decisions on trials that stand at rungs.

    Args:
        waiting: these trials.
        tune: all tune trials of the arm that are known, with these; trials that were ended at the rung count, too.
        states: of at least the tune trials.
        keep: see ``is_kept``.
    """
    found = []
    for at in waiting:
        objectives = (objective_at(states, trial, at.epoch) for trial in tune)
        reached = [objective for objective in objectives if objective is not None]
        better = sum(other > at.objective for other in reached)
        found.append(Decision(at, is_kept(at.objective, reached, keep), len(reached), better))
    return found


def asynchronous_progress(trials: Sequence[PlannedTrial], states: States, halving: HalvingSection) -> RoundProgress:
    """Return the state of a round, in which each trial goes its own way: from rung to rung, as far as it was kept."""
    steps = [next_step(trial, states, halving.rungs) for trial in trials]
    ready = tuple(step for step in steps if isinstance(step, WorkUnit))
    pruned = tuple(step for step in steps if isinstance(step, Pruning))
    undecided = tuple(step for step in steps if isinstance(step, AtRung))
    return RoundProgress(ready, pruned, waits=bool(undecided), undecided=undecided)


def next_step(trial: PlannedTrial, states: States, rungs: Sequence[int]) -> WorkUnit | Pruning | AtRung | None:
    """Return what is next for a trial: a unit, its end, or a decision; None if it has nothing left."""
    if is_out(states, trial):
        return None
    for rung in rungs:
        objective = objective_at(states, trial, rung)
        if objective is None:
            return WorkUnit.of(trial, states, rung)
        kept = states[trial.trial_id].was_kept(rung)
        if kept is None:
            return AtRung(trial, rung, objective)
        if not kept:
            return Pruning(trial, rung, objective)
    return None if is_final(states, trial) else WorkUnit.of(trial, states)
