"""The progress of an arm after an event that changes one trial, found without looking at the arm's other trials.

Most events are of this kind: one trial of many ends or is decided on, and its round goes on. Deriving the whole arm
anew would make the cost of an event grow with the size of a round.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import replace

from study.journal.history import WITHOUT_RESULT
from study.journal.state import TrialState
from study.schedule.design import ArmProgress
from study.schedule.pruning.halving import AtRung, Pruning, States
from study.schedule.units import WorkUnit


def settled(arm: ArmProgress, unit: WorkUnit, state: TrialState | None) -> ArmProgress | None:
    """Return the progress of an arm under no or synchronous halving once one of its units has ended well.

    Args:
        arm: the progress before.
        unit: of a single trial.
        state: of its trial, now.

    Returns:
        None if the arm has to be looked at as a whole: the unit failed, restored lost lines, is one of several with the
        same trial, or was the last that its round waited for.
    """
    if state is None or not _stands_alone(arm, unit, state) or not _is_over(unit, state):
        return None
    ready = _without(arm, unit)
    return None if len(ready) == len(arm.behind) else replace(arm, ready=ready)


def at_rung(arm: ArmProgress, unit: WorkUnit, state: TrialState | None) -> AtRung | None:
    """Return the rung at which asynchronous halving has to decide on a trial, once one of its units has ended well.

    Args:
        arm: the progress before.
        unit: of a single trial.
        state: of its trial, now.

    Returns:
        None if there is no such rung, or the arm has to be looked at as a whole, as in ``settled``.
    """
    rung = unit.until_epoch
    if state is None or rung is None or state.history.is_final or not _stands_alone(arm, unit, state):
        return None
    objective = state.objective_at(rung)
    if objective is None or state.was_kept(rung) is not None or not state.history.has_epochs(rung):
        return None
    return AtRung(unit.trial, rung, objective)


def decided(arm: ArmProgress, unit: WorkUnit, step: WorkUnit | Pruning) -> ArmProgress | None:
    """Return the progress of an arm once asynchronous halving has decided on the trial of a unit.

    Args:
        arm: the progress before.
        unit: the one that has ended.
        step: what is next for its trial.

    Returns:
        None if the trial was the last that its round waited for.
    """
    if isinstance(step, WorkUnit):
        trial_id = unit.trial.trial_id
        return replace(arm, ready=tuple(step if each.trial.trial_id == trial_id else each for each in arm.ready))
    ready, pruned = _without(arm, unit), list(arm.pruned)
    insort(pruned, step, key=lambda pruning: pruning.trial.index)
    return None if len(ready) == len(arm.behind) else replace(arm, ready=ready, pruned=tuple(pruned))


def _stands_alone(arm: ArmProgress, unit: WorkUnit, state: TrialState) -> bool:
    """Return whether the unit is the only one of its trial, and concerns no other."""
    trial_id = unit.trial.trial_id
    if unit.slots or state.history.was_sent_alone:
        return False
    if any(each.trial.trial_id == trial_id for each in arm.behind):
        return False
    return sum(each.trial.trial_id == trial_id for each in arm.ready) == 1


def _without(arm: ArmProgress, unit: WorkUnit) -> tuple[WorkUnit, ...]:
    return tuple(each for each in arm.ready if each.trial.trial_id != unit.trial.trial_id)


def _is_over(unit: WorkUnit, state: TrialState) -> bool:
    """Return whether the trial is where the unit leads, and its journal lacks nothing of the way there."""
    if unit.until_epoch is None or state.history.is_final:
        return state.is_done(None)
    return state.objective_at(unit.until_epoch) is not None and state.history.state not in WITHOUT_RESULT


def epochs_to_go(state: TrialState | None, epochs: int) -> int:
    """Return the epochs that a trial of so many still needs unless it is pruned; without a state, all of them."""
    if state is None:
        return epochs
    return 0 if state.history.is_final else epochs - state.history.epoch


def epochs_left(arm: ArmProgress, states: States, epochs: int) -> int:
    """Return the epochs that the known trials of an arm still need, of so many each."""
    over = {pruning.trial.trial_id for pruning in arm.pruned}
    known = (trial.trial_id for trial in (*arm.tune, *arm.confirm))
    return sum(epochs_to_go(states.get(trial_id), epochs) for trial_id in known if trial_id not in over)
