"""What an epoch takes around its steps: drawing them ahead, reading their records, validation, the checkpoint.

    python -m benchmarks.gpu_epoch [--arm late] [--steps-per-epoch 100] [--epochs 8]

Peer: the same steps by themselves, the median of windows within an epoch. Ours: ``run_trial``, from report to report,
with validation after every epoch and without; the first epoch, which captures the step, is not counted. The aim is 5 %.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

from benchmarks.gpu import Settings, announce, parser, trial
from benchmarks.gpu_packing import ARMS
from benchmarks.measure import seconds
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.outcome import EpochRecord
from trainables.run import run_trial
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

_WINDOWS = 5


def configured(options: argparse.Namespace, validate_every: int) -> TrialConfig:
    """Return the trial, validated so often."""
    sections: dict[str, Settings] = {
        "optimization": {"epochs": options.epochs, "steps_per_epoch": options.steps_per_epoch},
        "evaluation": {"validate_every": validate_every},
        **({"modulation": ARMS[options.arm]} if ARMS[options.arm] else {}),
    }
    return trial(options, **sections)


def steps_alone(config: TrialConfig, cache: Path, steps: int) -> float:
    """Return the seconds of so many steps by themselves, within one epoch: the median of windows."""
    windows = []
    with trial_runtime(config.compute) as runtime:
        dataset = prepare_dataset(config.data, config.data_seed, cache)
        learner = Learner(config, dataset.splits["train"], runtime)
        learner.model.train()
        taken = learner.endless_steps()
        for _ in islice(taken, steps):  # the epoch of the capture
            pass
        for _ in range(_WINDOWS):
            next(taken)  # begins the epoch
            runtime.synchronize()
            windows.append(seconds(lambda: [*islice(taken, steps - 1), runtime.synchronize()]) * steps / (steps - 1))
    return median(windows)


def epoch_of(config: TrialConfig, cache: Path) -> float:
    """Return the seconds of an epoch of a trial, from report to report: the median."""
    moments: list[float] = []

    def note(_: EpochRecord) -> None:
        moments.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as name:
        run_trial(config, report=note, workspace=Path(name), cache=cache)
    return median(later - earlier for earlier, later in pairwise(moments))


def line(what: str, epoch: float, steps: float) -> str:
    """Return one line of the table."""
    around = 100 * (epoch / steps - 1)
    return f"{what:28s} {epoch:8.3f} s an epoch, {steps:8.3f} s of it steps, {around:6.1f} % around them"


def main(arguments: list[str] | None = None) -> None:
    """Print one line with validation after every epoch, and one without."""
    made = parser(__doc__)
    made.add_argument("--arm", choices=tuple(ARMS), default="late")
    made.add_argument("--epochs", type=int, default=8)
    made.add_argument("--steps-per-epoch", type=int, default=100)
    options = made.parse_args(arguments)
    announce(options)
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        often, never = (configured(options, every) for every in (1, options.epochs))
        steps = steps_alone(often, cache, options.steps_per_epoch)
        for what, config in (("validation in every epoch", often), ("validation at the end only", never)):
            print(line(what, epoch_of(config, cache), steps), flush=True)


if __name__ == "__main__":
    main()
