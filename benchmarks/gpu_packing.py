"""Trials per hour of k processes that train side by side on one GPU, with and without the Multi-Process Service.

    python -m benchmarks.gpu_packing [--processes 1,2,4,8,16] [--without-mps] [--arm late] [--steps-per-trial 300]

Peer: one process, without the service. The processes are those of the probe that packs a study; each trains the same
trial for a window of time. Trials per hour count training steps only. A number of processes that does not fit is said.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.gpu import EAGER, Settings, announce, counts, parser, trial
from study.packing.crew import Crew
from study.packing.measurement import Measurement
from study.packing.member import Assignment
from study.packing.mps.control import MpsUnavailableError, place_of
from study.packing.mps.service import MpsService

ARMS: dict[str, Settings] = {
    "shared": {},
    "late": {"points": ("res4", "res5", "fc")},
    "all": {"points": ("conv1", "res2", "res3", "res4", "res5", "fc")},
}
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def service(folder: Path) -> Iterator[Mapping[str, str] | None]:
    """Run the service for the block; gives the variables with which processes find it, None where it cannot run."""
    place = place_of(folder)
    made = MpsService(place)
    try:
        made.start()
    except MpsUnavailableError as error:
        print(f"without the Multi-Process Service: {error}", flush=True)
        yield None
        return
    try:
        yield place.environment
    finally:
        made.end()


def windows(options: argparse.Namespace, cache: Path, mps: Mapping[str, str] | None) -> Iterator[Measurement]:
    """Yield a measurement for every number of processes, up to the first that fails."""
    modulation = ARMS[options.arm]
    config = trial(options, EAGER if options.eager else {}, **({"modulation": modulation} if modulation else {}))
    assignment = Assignment(config.model_dump(mode="json"), str(cache))
    environment = {**dict.fromkeys(_THREADS, "1"), **(mps or {})}
    with Crew(mps=mps is not None, environment=environment, prepared=max(options.processes)) as crew:
        crew.assign(assignment)
        for processes in options.processes:
            found = crew.measure(processes, options.seconds)
            yield found
            if found.outcome != "measured":
                return


def line(found: Measurement, alone: Measurement, steps_per_trial: int) -> str:
    """Return one line of the table."""
    how = f"{found.processes:3d} processes, {'with' if found.mps else 'without'} the service:"
    if found.outcome != "measured":
        return f"{how} {found.outcome}: {found.message}"
    return (
        f"{how} {found.images_per_second:9.0f} images/s, {3600 * found.steps_per_second / steps_per_trial:8.0f}"
        f" trials/h, {found.steps_per_second / alone.steps_per_second:5.2f} x one alone,"
        f" {found.bytes_per_process / 2**30:.2f} GiB each"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print one line a number of processes."""
    made = parser(__doc__)
    made.add_argument("--arm", choices=tuple(ARMS), default="late")
    made.add_argument("--processes", type=counts, default=[1, 2, 4, 8, 16])
    made.add_argument("--seconds", type=float, default=5.0, help="of a window")
    made.add_argument("--steps-per-trial", type=int, default=300)
    made.add_argument("--eager", action="store_true", help="the step as it was: not prepared ahead, not captured")
    made.add_argument("--without-mps", action="store_true")
    options = made.parse_args(arguments)
    announce(options)
    with tempfile.TemporaryDirectory() as name:
        cache, alone = Path(name), None
        for found in windows(options, cache, None):
            if found.outcome != "measured" and alone is None:
                raise SystemExit(f"one process cannot train: {found.message}")
            alone = alone or found
            print(line(found, alone, options.steps_per_trial), flush=True)
        if options.without_mps or options.device == "cpu" or alone is None:
            return
        with service(cache) as environment:
            for found in windows(options, cache, environment) if environment is not None else ():
                print(line(found, alone, options.steps_per_trial), flush=True)


if __name__ == "__main__":
    main()
