"""Trials per hour of a whole study on Ray, orchestration and evaluation included, against its trials one by one.

    python -m benchmarks.gpu_study [--trials-per-arm 8] [--gpus auto] [--fused 1] [--epochs 3] [--serial-trials 2]

Ours: ``Study(...).run()``, from the plan to tables and report, with ``resources.gpus`` as given (``auto`` probes how
many trials share the GPU). Peer: ``run_trial`` of some of the same trials in one process, eager, one after another,
after a short one that is not timed. Printed are trials per hour, the ratio, and the share of time in which the GPU ran
a kernel while the study ran (nvidia-smi, sampled).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.gpu import EAGER, announce, parser, trial
from benchmarks.measure import seconds
from study import Study
from study.layout import RunFolder, dataset_cache
from study.schedule.progress import read_progress
from trainables.config.trial import TrialConfig
from trainables.run import run_trial

_SAMPLE_S = 0.5


def definition(options: argparse.Namespace) -> dict[str, Any]:
    """Return the study: a shared network and two placements, with a learning rate to tune."""
    one = trial(options).model_dump(mode="json")
    return {
        "name": "gpu-study",
        "data": one["data"],
        "network": {"width": options.width, "batch_norm_momentum": 0.05},
        "batches": {"batch_size": options.images},
        "optimization": {"epochs": options.epochs, "steps_per_epoch": options.steps_per_epoch},
        "compute": {"device": options.device, "precision": options.precision, "fused": options.fused},
        "space": {
            "blocks": [{"placement": ["none", "late", "all"]}],
            "nuisance": {"learning_rate": {"low": 3e-4, "high": 3e-2, "log": True}},
        },
        "search": {"trials_per_arm": options.trials_per_arm, "round_size": options.trials_per_arm},
        "confirm": {"seeds": [1, 2]},
        "resources": {"cpus": 1, "gpus": options.gpus},
    }


def serial(folder: Path, count: int) -> float:
    """Return the seconds of one trial of the study, mean over some of them, eager and by itself.

    A short one before them loads kernels.
    """
    configs = [trial.trial.config for trial in read_progress(RunFolder(folder)).trials[:count]]
    short = configs[0].optimization.model_copy(update={"epochs": 1, "steps_per_epoch": 20})
    _alone(configs[0].model_copy(update={"optimization": short}))
    return fmean(map(_alone, configs))


def _alone(config: TrialConfig) -> float:
    eager = config.model_copy(update={"compute": config.compute.model_copy(update={**EAGER, "fused": 1})})
    with tempfile.TemporaryDirectory() as name:
        return seconds(lambda: run_trial(eager, report=lambda _: None, workspace=Path(name), cache=dataset_cache()))


@contextmanager
def watched_gpu(found: list[float]) -> Iterator[None]:
    """Sample the use of the first GPU while the block runs; nothing is found without ``nvidia-smi``."""
    over = threading.Event()
    query = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            try:
                shown = subprocess.run(query, capture_output=True, text=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                return
            found.append(float(shown.stdout))

    watcher = threading.Thread(target=watch, name="watched-gpu")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def main(arguments: list[str] | None = None) -> None:
    """Print trials per hour of both sides and the ratio."""
    made = parser(__doc__)
    made.add_argument("--trials-per-arm", type=int, default=8)
    made.add_argument("--gpus", default="auto", help="of a trial; auto or a number")
    made.add_argument("--fused", type=int, default=1)
    made.add_argument("--epochs", type=int, default=3)
    made.add_argument("--steps-per-epoch", type=int, default=100)
    made.add_argument("--serial-trials", type=int, default=2)
    options = made.parse_args(arguments)
    options.gpus = options.gpus if options.gpus == "auto" else float(options.gpus)
    announce(options)
    with tempfile.TemporaryDirectory() as name:
        study, busy = Study.from_dict(definition(options), folder=Path(name, "gpu-study")), list[float]()
        with watched_gpu(busy):
            started = time.perf_counter()
            done = study.run(tracking=False, progress=False).trials.completed
            spent = time.perf_counter() - started
        ours, peer = spent / done, serial(study.folder, options.serial_trials)
    print(f"study:  {ours:8.2f} s a trial {3600 / ours:8.0f} trials/h, {done} trials in {spent:.1f} s")
    print(f"serial: {peer:8.2f} s a trial {3600 / peer:8.0f} trials/h, over {options.serial_trials} trials")
    use = f"; GPU busy {fmean(busy):.0f} % of the time" if busy else ""
    print(f"ratio:  {peer / ours:.2f} x{use}")


if __name__ == "__main__":
    main()
