"""Whatever happens to a study of fused trials, nobody changes place, and the results are those of a calm run."""

from __future__ import annotations

import random
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.plan.plan import PlannedTrial
from study.schedule.fusing import fused_units
from study.schedule.units import WorkUnit

FEW = {"trials_per_arm": 3, "round_size": 4, "halving": {"rungs": [2], "keep": 0.5}}
LATER = {"search": {**FEW, "trials_per_arm": 7}, "confirm": {"seeds": [1, 2, 3, 4, 5]}}


def waiting(index: int, stage: str, round_size: int, slots: int) -> WorkUnit:
    """A trial that may run now; of confirm trials, the position among the seeds is the index."""
    config = SimpleNamespace(compute=SimpleNamespace(fused=slots))
    number = index // round_size if stage == "tune" else 0
    trial = SimpleNamespace(index=index, round=number, stage=stage, trial_id=f"{stage}-{index}", config=config)
    return WorkUnit(cast("PlannedTrial", trial))


@given(st.data(), st.sampled_from(["tune", "confirm"]), st.integers(1, 9), st.integers(2, 5))
def test_a_place_depends_on_nothing_but_the_plan(data: Any, stage: str, round_size: int, slots: int) -> None:
    """Of more and more trials, any may be waiting, in any order: each keeps its slot, its unit and its companions."""
    seen: dict[str, tuple[int, frozenset[str]]] = {}
    companions: dict[str, set[str]] = defaultdict(set)
    for planned in sorted(data.draw(st.lists(st.integers(1, 20), min_size=2, max_size=4))):
        some = data.draw(st.permutations(data.draw(st.lists(st.sampled_from(range(planned)), unique=True))))
        units = fused_units([waiting(index, stage, round_size, slots) for index in some], round_size)
        assert sorted(trial.trial_id for unit in units for trial in unit.trials) == sorted(f"{stage}-{i}" for i in some)
        for unit in units:
            assert len(unit.slots) == slots
            assert len({trial.round for trial in unit.trials}) == 1
            for slot, trial in enumerate(unit.slots):
                if trial is not None:
                    assert seen.setdefault(trial.trial_id, (slot, frozenset()))[0] == slot
                    companions[trial.trial_id] |= {other.trial_id for other in unit.trials}
    for trial_id, others in companions.items():
        assert all(trial_id in companions[other] for other in others)
        assert len({seen[other][0] for other in others}) == len(others), "two companions never share a slot"


@pytest.mark.parametrize("seed", range(4))
def test_losses_interruptions_and_later_seeds_change_no_number(seed: int, make_plan: Any, simulate: Any) -> None:
    chance = random.Random(seed)  # noqa: S311
    fused: dict[str, Any] = {"compute": {"fused": chance.choice((2, 3, 4))}, "resources": {"retries": 20}}
    calm = simulate(make_plan(**fused, **LATER), "calm")
    calm.run(workers=1, seed=0)

    places: dict[str, int] = {}
    for definition in ({"search": FEW, "confirm": {"seeds": [1, 2]}}, LATER):
        plan, exhausted = make_plan(**fused, **definition), False
        while not exhausted:  # each turn is a driver of its own, which is gone after some units
            run = simulate(plan)
            for unit in run.run(chance.randint(1, 4), chance.randrange(100), units=chance.randint(1, 9)):
                for slot, trial in enumerate(unit.slots):
                    assert trial is None or places.setdefault(trial.trial_id, slot) == slot
            if chance.random() < 0.5 and (lost := run.dispatcher.next_unit()) is not None:
                run.dispatcher.ended(lost, crashed=True)  # its worker is killed before it has begun
            exhausted = run.dispatcher.exhausted
    results = run.results()
    assert {trial_id: results[trial_id] for trial_id in calm.results()} == calm.results()
    assert len(set(places.values())) > 1
