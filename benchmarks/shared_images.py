"""Memory of 4 concurrent trials on one node: the image array is counted once, whatever the number of trials.

    python -m benchmarks.shared_images [--images 6000] [--trials 4] [--repeats 3]

Each process runs a real trial (``run_trial``) on the same decoded faces and stops in its first epoch's report, when it
has read every training image. Counted is the proportional set size (PSS: a page shared by n processes counts 1/n in
each) of the mapped image files, summed over the processes. Peer: processes that each hold a copy of the array, as
a data set class that decodes into RAM does; counted is what copying added to their private memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from trainables.config.data import DataConfig
from trainables.config.network import NetworkConfig
from trainables.config.training import BatchConfig, OptimizationConfig
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.outcome import EpochRecord
from trainables.sources.faces.source import GeneratedFaces


def configuration(images: int, seed: int) -> TrialConfig:
    """A tiny network on ``images`` training images of 48 px."""
    source = GeneratedFaces(train_images=images, validation_images=64, test_images=64)
    return TrialConfig(
        data=DataConfig(source=source, tasks=("Smiling", "Hat"), image_size=48),
        network=NetworkConfig(width=1 / 32),
        batches=BatchConfig(batch_size=64),
        optimization=OptimizationConfig(epochs=1),
        train_seed=seed,
    )


def mapped_bytes(cache: Path) -> int:
    """Return the proportional bytes of mapped image files in this process (Linux)."""
    maps = psutil.Process().memory_maps(grouped=True)
    return sum(int(found.pss) for found in maps if str(cache) in found.path and "train" in Path(found.path).name)


def measure(pipe: Connection, counted: partial[int], _: EpochRecord) -> None:
    """Tell what is held now, when all others hold theirs too."""
    pipe.send("read")
    pipe.recv()
    pipe.send(counted())
    pipe.recv()


def trial_on_mapped(config: TrialConfig, cache: Path, pipe: Connection) -> None:
    """Run the trial as it is."""
    from trainables.run import run_trial

    with tempfile.TemporaryDirectory() as folder:
        report = partial(measure, pipe, partial(mapped_bytes, cache))
        run_trial(config, report=report, workspace=Path(folder), cache=cache)


def copy_held(config: TrialConfig, cache: Path, pipe: Connection) -> None:
    """Hold a copy of the training images; counted is what copying added to this process."""
    before = psutil.Process().memory_full_info().uss
    images = np.array(prepare_dataset(config.data, config.data_seed, cache).splits["train"].images)
    added = psutil.Process().memory_full_info().uss - before
    measure(pipe, partial(_held, images, added), EpochRecord(1, 0.0, {}))


def _held(_: np.ndarray, added: int) -> int:
    """Return what was added; the argument keeps the copy alive."""
    return added


def total(target: object, config: TrialConfig, cache: Path, trials: int) -> int:
    """Return the bytes counted over ``trials`` concurrent processes."""
    context = multiprocessing.get_context("spawn")
    pipes, children = [], []
    for seed in range(trials):
        ours, theirs = context.Pipe()
        own = config.model_copy(update={"train_seed": seed})
        child = context.Process(target=target, args=(own, cache, theirs))  # type: ignore[arg-type]
        child.start()
        pipes.append(ours)
        children.append(child)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("measure")
    counted = sum(pipe.recv() for pipe in pipes)
    for pipe, child in zip(pipes, children, strict=True):
        pipe.send("end")
        child.join()
    return int(counted)


def main() -> None:
    """Print both sums as multiples of the array's size, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache, config = Path(folder), configuration(options.images, 0)
        size = prepare_dataset(config.data, config.data_seed, cache).splits["train"].images.nbytes
        pairs = [
            (
                total(trial_on_mapped, config, cache, options.trials),
                total(copy_held, config, cache, options.trials),
            )
            for _ in range(options.repeats)
        ]
    ratios = [peer / ours for ours, peer in pairs]
    print(f"array of training images: {size / 2**20:.1f} MiB, {options.trials} concurrent trials")
    print(f"mapped:     {median(ours for ours, _ in pairs) / size:.2f} x the array in all")
    print(f"own copies: {median(peer for _, peer in pairs) / size:.2f} x the array in all")
    print(f"ratio: {median(ratios):.2f} x [{min(ratios):.2f}, {max(ratios):.2f}] over {len(ratios)} pairs")


if __name__ == "__main__":
    main()
