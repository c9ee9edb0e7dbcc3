"""Chooses how many processes share an accelerator. Pure functions of measurements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from study.packing.measurement import Measurement, Packing

WORTH = 0.03
"""Throughput within this fraction of the best counts as equal; the fewer processes then win."""

GAIN = 0.1
"""What doubling the processes must gain for a further doubling to be tried."""

MEMORY_MARGIN = 0.1
"""Part of the device's memory that stays free: evaluation and fragmentation need more than the steps of the probe."""


@dataclass(frozen=True)
class Limits:
    """What bounds the processes on one accelerator.

    Attributes:
        processes: the most of them, by CPUs of the node and the study's settings.
        memory_bytes: of the device; None if it is not known or not the bound, as on a CPU.
    """

    processes: int
    memory_bytes: int | None = None

    def holds(self, processes: int, bytes_per_process: int) -> bool:
        """Return whether so many processes are allowed and fit into memory with ``MEMORY_MARGIN`` to spare."""
        usable = None if self.memory_bytes is None else self.memory_bytes * (1 - MEMORY_MARGIN)
        return processes <= self.processes and (usable is None or processes * bytes_per_process <= usable)


def choose(
    measurements: Iterable[Measurement], limits: Limits, modes: Collection[bool] = (False, True)
) -> Packing | None:
    """Return the packing with the best total throughput; of those within ``WORTH`` of it the one with fewest processes.

    At equal processes, doing without the Multi-Process Service comes first. Repeated measurements count by their
    median, and a number of processes that once did not fit, or failed, is out. One process alone is always allowed: how
    little memory it leaves is the trial's own affair.

    Args:
        measurements: of one arm on one accelerator, in any order.
        limits: of processes and memory.
        modes: allowed values of ``mps``.

    Returns:
        The choice; None if nothing was measured.
    """
    found = {key: value for key, value in _summed_up(measurements).items() if value is not None}
    usable = [
        value
        for (processes, mps), value in found.items()
        if mps in modes and (processes == 1 or limits.holds(processes, value.bytes_per_process))
    ]
    if not usable:
        return None
    least = (1 - WORTH) * max(value.steps_per_second for value in usable)
    best = min(
        (value for value in usable if value.steps_per_second >= least),
        key=lambda value: (value.processes, value.mps),
    )
    alone = found.get((1, False)) or found.get((1, best.mps))
    speedup = best.steps_per_second / alone.steps_per_second if alone and alone.steps_per_second else None
    return Packing(
        best.processes,
        best.mps,
        best.steps_per_second,
        best.images_per_second,
        speedup,
        best.bytes_per_process,
    )


def _summed_up(measurements: Iterable[Measurement]) -> dict[tuple[int, bool], Measurement | None]:
    """Return one measurement per processes and mode: the median; None where one of them is not a measurement."""
    groups: dict[tuple[int, bool], list[Measurement]] = {}
    for each in measurements:
        groups.setdefault((each.processes, each.mps), []).append(each)
    return {key: _median(group) for key, group in groups.items()}


def _median(group: list[Measurement]) -> Measurement | None:
    if any(each.outcome != "measured" for each in group):
        return None
    return Measurement(
        group[0].processes,
        group[0].mps,
        "measured",
        median(each.steps_per_second for each in group),
        median(each.images_per_second for each in group),
        max(each.peak_bytes for each in group),
        max(each.used_bytes for each in group),
    )


def climb(
    measure: Callable[[int], Measurement], limits: Limits, repays: Callable[[Measurement], bool] = lambda _: True
) -> Iterator[Measurement]:
    """Measure 1, 2, 4, 8, ... processes while it pays, and yield every measurement.

    Ends when a number does not fit or fails, when it gains less than ``GAIN`` over the best before it, at the limits,
    or when the next one would not repay its time; the last step is as large as the limits allow. Memory is predicted
    from the processes measured so far, so a number that would not fit is not tried.

    Args:
        measure: takes a measurement of so many processes.
        limits: of processes and memory.
        repays: whether a further measurement may save more time than it takes, by the last one.
    """
    processes, best, need = 1, 0.0, 0
    while processes:
        found = measure(processes)
        yield found
        if found.outcome != "measured" or found.steps_per_second < best * (1 + GAIN) or not repays(found):
            return
        best, need = found.steps_per_second, max(need, found.bytes_per_process)
        processes = _next(processes, need, limits)


def _next(processes: int, need: int, limits: Limits) -> int:
    """Return the largest number up to twice as many that the limits allow; 0 if there is none above ``processes``."""
    more = range(2 * processes, processes, -1)
    return next((number for number in more if limits.holds(number, need)), 0)
