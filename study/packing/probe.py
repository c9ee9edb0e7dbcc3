"""The probe of one arm on one accelerator: 1, 2, 4, ... processes, with and without the Multi-Process Service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from study.packing.choice import Limits, climb
from study.packing.crew import Crew
from study.packing.measurement import Measurement
from study.packing.member import Assignment
from study.packing.mps.control import WITHOUT_MPS

WINDOW_S = 3.0
"""Length of a window; some hundred steps of a small network on a GPU."""

MOST_PROCESSES = 32
"""The Multi-Process Service takes 48 clients of a GPU or more; a probe of more processes would take too long."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class ProbeRequest:
    """One probe, as it travels to the node.

    Attributes:
        config: of a trial of the arm, as JSON values.
        cache: of decoded images on the node.
        most_processes: that may run at once, by CPUs and the study's settings.
        mps: the environment in which a process finds the Multi-Process Service; None leaves it out.
        seconds: of each window.
    """

    config: dict[str, Any]
    cache: str
    most_processes: int
    mps: dict[str, str] | None = None
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
    """

    device: str
    limits: Limits
    measurements: tuple[Measurement, ...]
    steps_per_epoch: int = 0
    validation_seconds: float = 0.0


def probe(request: ProbeRequest) -> Probe:
    """Run the probe on this machine; whatever fails in a process of it is part of what it finds."""
    found = Probe("", Limits(min(request.most_processes, MOST_PROCESSES)), ())
    for mps in (False, True) if request.mps is not None else (False,):
        found = _probed(request, found, mps=mps)
    return found


def _probed(request: ProbeRequest, before: Probe, *, mps: bool) -> Probe:
    """Add the measurements of one mode."""
    assignment = Assignment(request.config, request.cache)
    measurements = list(before.measurements)
    with Crew(assignment, mps=mps, environment=_environment(request, mps=mps)) as crew:

        def measure(processes: int) -> Measurement:
            return crew.measure(processes, request.seconds)

        first = measure(1)  # tells the memory of the device, which limits the others
        limits = replace(before.limits, memory_bytes=crew.about.get("device", {}).get("memory_bytes"))
        measurements += climb(lambda processes: first if processes == 1 else measure(processes), limits)
        about = crew.about
    if not about:
        return replace(before, measurements=tuple(measurements))
    return Probe(
        about["device"]["name"],
        limits,
        tuple(measurements),
        about["steps_per_epoch"],
        about["validation_seconds"],
    )


def _environment(request: ProbeRequest, *, mps: bool) -> Mapping[str, str]:
    threads = dict.fromkeys(_THREAD_VARIABLES, str(request.config["compute"]["threads"]))
    return {**threads, **(request.mps if mps and request.mps is not None else WITHOUT_MPS)}
