"""``RetrievalModel.embed_all`` at every placement, against one full pass of the images for each task.

    python -m benchmarks.embed_all [--tasks 8] [--images 32] [--size 64] [--width 1.0] [--repeats 5] [--device cpu]
        [--cpu-time]

Peer: ``embed(images, task)`` of the same pack for one task after the other. Bound: the ratio of multiply-adds from the
storage ledger, T x full / (trunk + T x rest). Images are arrays of the network's size, so no time goes into decoding,
which would be shared too and would flatter the ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.drawn_network import drawn_model, facts
from benchmarks.measure import interleave
from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import stage_shapes
from trainables.networks.ledger import storage_ledger
from trainables.packs import RetrievalModel
from trainables.packs.exporting import TrainedNetwork, export_network


def configuration(options: argparse.Namespace, points: tuple[str, ...], tasks: int) -> TrialConfig:
    """Return a network of the released backbone with a vector per task at some of its stages."""
    names = tuple(f"task{index}" for index in range(tasks))
    return TrialConfig(
        data=DataConfig(tasks=names, image_size=options.size),
        network=NetworkConfig(width=options.width, backbone=options.backbone),
        modulation=ModulationConfig(points=points, groups=tuple((name,) for name in names)),
    )


def placements(options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """Yield no modulation, the embedding alone, the embedding and the stage before it, and so on."""
    stages = tuple(shape.name for shape in stage_shapes(NetworkConfig(backbone=options.backbone), options.size))
    yield from (stages[start:] for start in range(len(stages), -1, -1))


def packed(config: TrialConfig, device: str) -> RetrievalModel:
    """Return the network as a user would have it: exported and loaded."""
    with tempfile.TemporaryDirectory() as folder:
        export_network(Path(folder), "drawn", TrainedNetwork(drawn_model(config), config), facts())
        return RetrievalModel.load(folder, device=device)


def measure(options: argparse.Namespace, points: tuple[str, ...]) -> str:
    """Return the line of a placement."""
    model = packed(configuration(options, points, options.tasks), options.device)
    shape = options.images, options.size, options.size, 3
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    # embed copies its result to the host, so a device has finished when it returns
    ratio = interleave(
        lambda: model.embed_all(images),
        lambda: [model.embed(images, task) for task in model.tasks],
        options.repeats,
        time.process_time if options.cpu_time else time.perf_counter,
    )
    single, together = (
        storage_ledger(configuration(options, points, tasks)).multiply_adds_per_image for tasks in (1, options.tasks)
    )
    bound = options.tasks * single / together
    shares = [pair / bound for pair in ratio.pairs]
    return (
        f"| {', '.join(points) or 'none'} | {bound:.2f} | {median(ratio.pairs):.2f} [{min(ratio.pairs):.2f},"
        f" {max(ratio.pairs):.2f}] | {median(shares):.2f} [{min(shares):.2f}, {max(shares):.2f}] |"
    )


def main() -> None:
    """Print a row for each placement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--backbone", default="simplenet")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.cpu_time:
        torch.set_num_threads(1)
    print("| modulated stages | bound | measured | share of the bound |\n| :--- | ---: | ---: | ---: |")
    for points in placements(options):
        print(measure(options, points), flush=True)


if __name__ == "__main__":
    main()
