"""The choice among measurements, against an obvious loop over all of them, and which measurements are taken at all."""

from __future__ import annotations

import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.packing.choice import GAIN, MEMORY_MARGIN, Limits, choose, climb
from study.packing.measurement import Measurement, Packing

GIB = 2**30


def measured(processes: int, rate: float, *, mps: bool = False, peak: int = GIB, used: int = 0) -> Measurement:
    return Measurement(processes, mps, "measured", rate, 48 * rate, peak, used)


def lost(processes: int, *, mps: bool = False) -> Measurement:
    return Measurement(processes, mps, "out_of_memory", message="CUDA out of memory")


def obvious(measurements: list[Measurement], limits: Limits) -> tuple[int, bool] | None:
    """Try every number in every mode, the fewest first, and take the first that is not beaten by more than 3 %."""
    rates = {}
    for processes in range(1, 65):
        for mps in (False, True):
            these = [each for each in measurements if (each.processes, each.mps) == (processes, mps)]
            if not these or any(each.outcome != "measured" for each in these):
                continue
            memory = processes * max(max(each.peak_bytes, each.used_bytes / processes) for each in these)
            fits = limits.memory_bytes is None or memory <= 0.9 * limits.memory_bytes + processes
            if processes == 1 or (fits and processes <= limits.processes):
                rates[processes, mps] = median(each.steps_per_second for each in these)
    for key, rate in rates.items():
        if all(rate >= 0.97 * other for other in rates.values()):
            return key
    return None


MEASUREMENTS = st.builds(
    Measurement,
    processes=st.sampled_from([1, 2, 4, 8, 12]),
    mps=st.booleans(),
    outcome=st.sampled_from(["measured", "measured", "measured", "out_of_memory", "failed"]),
    steps_per_second=st.integers(90, 130).map(float),
    images_per_second=st.just(1.0),
    peak_bytes=st.integers(0, 3 * GIB),
    used_bytes=st.integers(0, 30 * GIB),
)


@given(st.lists(MEASUREMENTS, max_size=12), st.integers(1, 12), st.sampled_from([None, 8 * GIB, 24 * GIB]))
def test_the_choice_is_that_of_the_obvious_loop(measurements, processes, memory):
    limits = Limits(processes, memory)
    found = choose(measurements, limits)
    assert (found and (found.processes, found.mps)) == obvious(measurements, limits)


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_a_percent_does_not_move_the_choice(seed):
    noise = random.Random(seed)  # noqa: S311
    rates = {1: 100.0, 2: 190.0, 4: 300.0, 8: 303.0}
    noisy = [measured(k, rate * noise.uniform(0.99, 1.01)) for k, rate in rates.items()]
    assert choose(noisy, Limits(64)).processes == 4


def test_ties_go_to_fewer_processes_and_to_no_service():
    equal = [measured(4, 200, mps=True), measured(4, 200), measured(2, 195, mps=True), measured(1, 100)]
    assert choose(equal, Limits(64)) == Packing(2, True, 195, 48 * 195, 1.95, GIB)
    assert choose(equal[:2], Limits(64)).mps is False


def test_a_choice_may_be_limited_to_one_mode():
    both = [measured(1, 100), measured(8, 400, mps=True), measured(2, 150)]
    assert choose(both, Limits(64)).processes == 8
    assert choose(both, Limits(64), modes=[False]).processes == 2
    assert choose(both[:1], Limits(64), modes=[True]) is None


def test_what_once_ran_out_of_memory_is_not_chosen():
    assert choose([measured(1, 100), measured(2, 190), measured(2, 190), lost(2)], Limits(64)).processes == 1
    assert choose([lost(1)], Limits(64)) is None
    assert choose([], Limits(64)) is None


def test_memory_keeps_its_margin_and_one_process_is_always_allowed():
    limits = Limits(64, 10 * GIB)
    three, four = measured(3, 300, peak=3 * GIB), measured(4, 400, peak=3 * GIB)
    assert choose([measured(1, 100), three, four], limits).processes == 3  # 9 of 10 GiB
    assert MEMORY_MARGIN == 0.1
    assert choose([measured(1, 100, peak=10 * GIB)], limits).processes == 1


class Device:
    """Steps per second and memory as a rule of the number of processes."""

    def __init__(self, rates: dict[int, float], peak: int = GIB, holds: int = 64) -> None:
        self.rates, self.peak, self.holds = rates, peak, holds

    def measure(self, processes: int) -> Measurement:
        return (
            measured(processes, self.rates[processes], peak=self.peak) if processes <= self.holds else lost(processes)
        )

    def tried(self, limits: Limits) -> list[int]:
        return [each.processes for each in climb(self.measure, limits)]


LINEAR = {number: 100.0 * number for number in range(1, 65)}


def test_a_probe_doubles_up_to_the_limit_itself():
    assert Device(LINEAR).tried(Limits(12)) == [1, 2, 4, 8, 12]
    assert Device(LINEAR).tried(Limits(1)) == [1]


def test_a_probe_does_not_try_what_would_not_fit():
    assert Device(LINEAR, peak=3 * GIB).tried(Limits(64, 20 * GIB)) == [1, 2, 4, 6]  # 18 of 20 GiB
    assert Device(LINEAR, peak=30 * GIB).tried(Limits(64, 20 * GIB)) == [1]


def test_a_probe_ends_where_throughput_stalls_and_where_memory_ran_out_all_the_same():
    stalled = {1: 100.0, 2: 190.0, 4: 190.0 * (1 + GAIN) - 0.1, 8: 1000.0}
    assert Device(stalled).tried(Limits(64)) == [1, 2, 4]
    assert Device(LINEAR, holds=3).tried(Limits(64)) == [1, 2, 4]


def test_a_probe_ends_where_another_measurement_would_not_repay_its_time():
    found = climb(Device(LINEAR).measure, Limits(64), lambda last: last.steps_per_second < 300)
    assert [each.processes for each in found] == [1, 2, 4]
