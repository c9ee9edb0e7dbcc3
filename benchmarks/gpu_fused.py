"""Trials per hour of K trials trained as one model, against the same trials one after another.

    python -m benchmarks.gpu_fused [--fused 2,4,8,16] [--arm late] [--epochs 3] [--steps-per-epoch 100]

Peer: ``run_trial`` of one trial, eager, its images on the host; and the same captured as a CUDA graph. Ours:
``run_fused`` of K trials that differ in learning rate and seed. Both sides train, evaluate after every epoch, write
checkpoints and weights; data is decoded and a first short trial is run before the clock starts.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.gpu import EAGER, Settings, announce, counts, parser, trial
from benchmarks.gpu_packing import ARMS
from benchmarks.measure import seconds
from trainables.config.trial import TrialConfig
from trainables.fused.unit import Member, run_fused
from trainables.outcome import EpochRecord, TrialOutcome
from trainables.run import run_trial


def member(options: argparse.Namespace, compute: Settings, number: int, epochs: int) -> TrialConfig:
    """Return the trial of a slot."""
    length = {"epochs": epochs, "steps_per_epoch": options.steps_per_epoch, "learning_rate": 1e-3 * (1 + number / 10)}
    arm = {"modulation": ARMS[options.arm]} if ARMS[options.arm] else {}
    config = trial(options, compute, optimization=length, **arm)
    return config.model_copy(update={"train_seed": number})


def alone(options: argparse.Namespace, compute: Settings, cache: Path, epochs: int) -> float:
    """Return the seconds of one trial."""
    config = member(options, compute, 0, epochs)
    with tempfile.TemporaryDirectory() as name:
        return seconds(lambda: run_trial(config, report=_nothing, workspace=Path(name), cache=cache))


def together(options: argparse.Namespace, size: int, cache: Path, epochs: int) -> float:
    """Return the seconds of a unit of trials.

    Raises:
        SystemExit: a trial of it has failed.
    """
    with tempfile.TemporaryDirectory() as name:
        members = [
            Member(member(options, {"fused": size}, number, epochs), _nothing, Path(name, str(number)))
            for number in range(size)
        ]
        outcomes: list[object] = []
        spent = seconds(lambda: outcomes.extend(run_fused(members, cache=cache)))
    if failed := [outcome for outcome in outcomes if not isinstance(outcome, TrialOutcome)]:
        raise SystemExit(f"{len(failed)} of {size} fused trials failed: {failed[0]}")
    return spent


def _nothing(_: EpochRecord) -> None:
    return


def main(arguments: list[str] | None = None) -> None:
    """Print one line for each way."""
    made = parser(__doc__)
    made.add_argument("--arm", choices=tuple(ARMS), default="late")
    made.add_argument("--fused", type=counts, default=[2, 4, 8, 16])
    made.add_argument("--epochs", type=int, default=3)
    made.add_argument("--steps-per-epoch", type=int, default=100)
    options = made.parse_args(arguments)
    announce(options)
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        alone(options, EAGER, cache, 1)  # decodes, loads kernels
        peer = alone(options, EAGER, cache, options.epochs)
        _say("one trial, eager", peer, peer)
        _say("one trial, prepared and captured", peer, alone(options, {}, cache, options.epochs))
        for size in options.fused:
            together(options, size, cache, 1)
            _say(f"{size} trials as one model", peer, together(options, size, cache, options.epochs) / size)


def _say(what: str, peer: float, ours: float) -> None:
    print(f"{what:34s} {ours:8.2f} s a trial {3600 / ours:8.0f} trials/h {peer / ours:6.2f} x eager", flush=True)


if __name__ == "__main__":
    main()
