"""The probe of one arm on one accelerator: 1, 2, 4, ... processes, with and without the Multi-Process Service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from study.packing.choice import Limits, climb
from study.packing.crew import Crew
from study.packing.measurement import Measurement
from study.packing.member import Assignment
from study.packing.mps.control import WITHOUT_MPS

WINDOW_S = 2.0
"""Length of a window; some hundred steps of a small network on a GPU."""

MOST_PROCESSES = 32
"""The Multi-Process Service takes 48 clients of a GPU or more; a probe of more processes would take too long."""

_PREPARED = 8
"""Processes of a crew that start together, so that each doubling does not wait for its processes to load torch."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class ProbeRequest:
    """One probe, as it travels to the node.

    Attributes:
        config: of a trial of the arm, as JSON values.
        cache: of decoded images on the node.
        most_processes: that may run at once, by CPUs and the study's settings.
        epochs: that the trials in question will take altogether.
        modes: whether the Multi-Process Service is used, in the order to try.
        seconds: of each window.
    """

    config: dict[str, Any]
    cache: str
    most_processes: int
    epochs: int
    modes: tuple[bool, ...] = (False,)
    seconds: float = WINDOW_S


@dataclass(frozen=True)
class Probe:
    """What a probe has found.

    Attributes:
        device: name of the accelerator.
        limits: under which it was probed.
        measurements: in the order they were taken.
        steps_per_epoch: of the arm's trials.
        validation_seconds: of embedding the validation images once, alone on the device.
        cut_short: whether it ended because the trials are too short to repay further measurements.
    """

    device: str
    limits: Limits
    measurements: tuple[Measurement, ...]
    steps_per_epoch: int = 0
    validation_seconds: float = 0.0
    cut_short: bool = False


class Prober:
    """Probes arms one after another; its processes go from one to the next, and end with the block.

    Args:
        mps: the environment in which a process finds the Multi-Process Service; None where it cannot be used.
    """

    def __init__(self, mps: Mapping[str, str] | None = None) -> None:
        self._mps = mps
        self._crews: dict[bool, Crew] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        for mps in tuple(self._crews):
            self._crews.pop(mps).close()

    def probe(self, request: ProbeRequest) -> Probe:
        """Run a probe on this machine; whatever fails in a process of it is part of what it finds."""
        found = Probe("", Limits(min(request.most_processes, MOST_PROCESSES)), ())
        for mps in request.modes:
            if not found.cut_short:
                found = self._probed(request, found, mps=mps)
        return found

    def _probed(self, request: ProbeRequest, before: Probe, *, mps: bool) -> Probe:
        """Add the measurements of one mode."""
        crew = self._crew(request, mps=mps)
        crew.assign(Assignment(request.config, request.cache))
        cost = _Cost(request.epochs, crew)
        first = cost.measure(1, request.seconds)  # tells the memory of the device, which limits the others
        limits = replace(before.limits, memory_bytes=crew.about.get("device", {}).get("memory_bytes"))
        measurements = tuple(
            climb(lambda n: first if n == 1 else cost.measure(n, request.seconds), limits, cost.next_repays)
        )
        if measurements[-1].outcome != "measured":
            self._crews.pop(mps).close()  # such a crew is of no more use
        if not (about := crew.about):
            return replace(before, measurements=before.measurements + measurements)
        return Probe(
            about["device"]["name"],
            limits,
            before.measurements + measurements,
            about["steps_per_epoch"],
            about["validation_seconds"],
            cost.too_high and not before.measurements,  # the mode that comes first is the one that is chosen from
        )

    def _crew(self, request: ProbeRequest, *, mps: bool) -> Crew:
        if mps not in self._crews:
            prepared = min(request.most_processes, _PREPARED) if mps else 1
            self._crews[mps] = Crew(mps=mps, environment=self._environment(request.config, mps=mps), prepared=prepared)
        return self._crews[mps]

    def _environment(self, config: Mapping[str, Any], *, mps: bool) -> Mapping[str, str]:
        threads = dict.fromkeys(_THREAD_VARIABLES, str(config["compute"]["threads"]))
        return {**threads, **(self._mps if mps and self._mps is not None else WITHOUT_MPS)}


class _Cost:
    """What a further measurement costs, as the last one did, against what it may save."""

    def __init__(self, epochs: int, crew: Crew) -> None:
        self._epochs = epochs
        self._crew = crew
        self._took_s = 0.0
        self.too_high = False

    def measure(self, processes: int, seconds: float) -> Measurement:
        started = time.monotonic()
        found = self._crew.measure(processes, seconds)
        self._took_s = time.monotonic() - started
        return found

    def next_repays(self, last: Measurement) -> bool:
        """Return whether the trials take so long that half of it, the most a doubling saves, is worth the time."""
        steps = self._epochs * self._crew.about["steps_per_epoch"]
        self.too_high = steps / last.steps_per_second / 2 < self._took_s
        return not self.too_high


def modes_to_try(*, mps: bool, better: bool | None) -> Sequence[bool]:
    """Return the modes of a probe: with the service first where it can be had; only the better one once that is known.

    Args:
        mps: whether the service can be used.
        better: whether the arms probed before it are better off with the service; None if none was.
    """
    if not mps:
        return (False,)
    return (True, False) if better is None else (better,)
