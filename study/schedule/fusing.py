"""Joins the ready trials of an arm into fused units, by their place in the plan and never by timing."""

from __future__ import annotations

from collections.abc import Iterable

from study.plan.plan import PlannedTrial
from study.schedule.units import WorkUnit

_Key = tuple[str, int, int, int | None]


def place_of(trial: PlannedTrial, round_size: int) -> tuple[int, int]:
    """Return the unit and the slot of a trial: by its index within the round, or among the confirm seeds.

    They depend on nothing else, so more trials or seeds fill further slots and never move a trial.
    """
    place = trial.index - (trial.round * round_size if trial.stage == "tune" else 0)
    return divmod(place, trial.config.compute.fused)


def fused_units(ready: Iterable[WorkUnit], round_size: int) -> list[WorkUnit]:
    """Return the units to hand out: trials of one fused unit that go to the same epoch are one unit.

    Args:
        ready: Units of one trial each, of one arm.
        round_size: Tune trials per round.
    """
    joined: dict[_Key, list[WorkUnit]] = {}
    units: list[WorkUnit | _Key] = []
    for unit in ready:
        trial = unit.trial
        if trial.config.compute.fused == 1:
            units.append(unit)
            continue
        number, _ = place_of(trial, round_size)
        key = trial.stage, trial.round, number, unit.until_epoch
        if key not in joined:
            units.append(key)
        joined.setdefault(key, []).append(unit)
    return [unit if isinstance(unit, WorkUnit) else _together(joined[unit], round_size) for unit in units]


def _together(units: list[WorkUnit], round_size: int) -> WorkUnit:
    slots: list[PlannedTrial | None] = [None] * units[0].trial.config.compute.fused
    taken: set[str] = set()
    for unit in units:
        if unit.trial.trial_id not in taken:  # equal values may be drawn twice: that is one trial
            slots[place_of(unit.trial, round_size)[1]] = unit.trial
            taken.add(unit.trial.trial_id)
    first = next(trial for trial in slots if trial is not None)
    return WorkUnit(first, units[0].until_epoch, any(unit.alone for unit in units), tuple(slots))
