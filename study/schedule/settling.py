"""The progress of an arm after an event that decides nothing, found without looking at the arm's other trials.

Most events are of this kind: one trial of many ends, and its round goes on. Deriving the whole arm anew would make the
cost of an event grow with the size of a round.
"""

from __future__ import annotations

from dataclasses import replace

from study.journal.history import WITHOUT_RESULT
from study.journal.state import TrialState
from study.schedule.design import ArmProgress
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
    if state is None or unit.slots or not _is_over(unit, state) or state.history.ran_out_of_device_memory:
        return None
    trial_id = unit.trial.trial_id
    ready = tuple(each for each in arm.ready if each.trial.trial_id != trial_id)
    if len(ready) != len(arm.ready) - 1 or len(ready) == len(arm.behind):
        return None
    if any(each.trial.trial_id == trial_id for each in arm.behind):
        return None
    return replace(arm, ready=ready)


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
