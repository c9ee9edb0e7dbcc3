"""What a driver keeps in memory of every trial: little, since it keeps it of all of them."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

from study.journal.index import read_states
from study.journal.journal import Journal, parse_journal
from study.journal.state import state_of
from study.layout import RunFolder
from study.plan.plan import PlannedTrial, StudyPlan, plan_trial
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of

_TRIALS = 300
_STATE_BYTES = 4_000
_TRIAL_BYTES = 3_300


def bytes_each(make: Callable[[], list[Any]]) -> float:
    make()  # fills caches
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    made = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return size / len(made)


def test_states_share_what_trials_have_in_common(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    trials = progress_of(plan, {}, DrawnRounds(folder)).arms[0][1].tune
    for trial in trials:
        journaling.start(trial, epochs=2)
        journaling.end(trial)
    for _ in ("journals", "index"):
        one, other = (state.history for state in read_states(folder).values())
        for name in ("arm", "config"):
            assert one.planned[name] is other.planned[name]
        assert one.software is other.software
        assert one.planned["trial_id"] != other.planned["trial_id"]
    content = folder.trial(trials[0].trial_id).journal.read_bytes()

    def states() -> list[Any]:
        return [state_of(parsed) for parsed in parsed_anew(content)]

    assert bytes_each(states) < _STATE_BYTES


def parsed_anew(content: bytes) -> list[Journal]:
    return [parse_journal(content) for _ in range(_TRIALS)]


def test_planned_trials_share_what_their_arm_determines(make_plan: Any) -> None:
    rounds = iter(range(10))

    def planned() -> list[PlannedTrial]:
        plan, first = make_plan(), 1e-3 * (1 + next(rounds))
        arm = plan.arms[-1]
        return [
            plan_trial(
                plan, arm, stage="tune", round_=0, index=n, nuisance={"learning_rate": first + n / 1e6}, train_seed=0
            )
            for n in range(_TRIALS)
        ]

    assert bytes_each(planned) < _TRIAL_BYTES
