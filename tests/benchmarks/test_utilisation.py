"""The simulation behind docs/scale.md, where its result is known, and what holds in any."""

import math
from dataclasses import replace

import pytest

from benchmarks.schedule_simulation import Setting, Simulation

SMALL = Setting(gpus=7, arms=5, tune=10, confirm=2, round_size=4, epochs=9, epoch_s=3.0, spread=0.5, rungs=(1, 3))


def test_one_arm_of_one_round_takes_as_long_as_its_trials_after_one_another():
    run = Simulation(replace(SMALL, gpus=1, arms=1, tune=4, spread=0.0, rungs=())).run()
    assert run.makespan == run.useful == run.bound == (4 + 2) * 9 * 3.0
    assert run.idle == run.again == run.away == 0


def test_halving_lets_the_better_half_of_a_round_go_on():
    run = Simulation(replace(SMALL, arms=1, tune=4, confirm=0, spread=0.0)).run()
    assert run.useful == 3.0 * (4 * 1 + 2 * 2 + 1 * 6)
    assert run.makespan == 3.0 * 9  # all at once, and the best to its end


@pytest.mark.parametrize("rate", [0.0, 60.0])
def test_no_work_is_lost_or_done_twice_and_seconds_add_up(rate):
    calm = Simulation(SMALL).run()
    run = Simulation(replace(SMALL, preemptions=rate, away_s=10.0, start_s=2.0)).run()
    assert math.isclose(run.useful, calm.useful)
    assert (run.again > 0) == (run.away > 0) == (rate > 0)
    assert run.makespan >= run.bound * (1 - 1e-9)
    assert calm.makespan >= calm.useful / SMALL.gpus
    assert max(run.busy) <= SMALL.gpus
