"""Embedding a gallery for T tasks: the trunk once and then every task's branch, against T full passes (placement late).

    python -m benchmarks.gallery_embedding [--images 64] [--size 64] [--width 1.0] [--repeats 5]

Peer: the same network run T times, once per task, as a user of the released code does. Bound: the ratio of
multiply-adds, T x full / (trunk + T x rest), from the storage ledger.
"""

from __future__ import annotations

import argparse

import torch

from benchmarks.measure import interleave
from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger
from trainables.networks.multi_task import build_model


def configuration(tasks: int, size: int, width: float) -> TrialConfig:
    """The released placement (res4, res5, fc) for ``tasks`` tasks."""
    names = tuple(f"task{index}" for index in range(tasks))
    return TrialConfig(
        data=DataConfig(tasks=names, image_size=size),
        network=NetworkConfig(width=width),
        modulation=ModulationConfig(points=("res4", "res5", "fc"), groups=tuple((name,) for name in names)),
    )


@torch.inference_mode()
def main() -> None:
    """Print one line per number of tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    single = storage_ledger(configuration(1, options.size, options.width)).multiply_adds_per_image
    for tasks in (7, 20, 40):
        config = configuration(tasks, options.size, options.width)
        model = build_model(config).eval().to(memory_format=torch.channels_last)
        images = torch.randn(options.images, 3, options.size, options.size).to(memory_format=torch.channels_last)

        def once(model: torch.nn.Module = model, images: torch.Tensor = images) -> None:
            model.embed_tasks(images)

        def per_task(model: torch.nn.Module = model, images: torch.Tensor = images, tasks: int = tasks) -> None:
            for task in range(tasks):
                model.embed_mixed(images, torch.full((len(images),), task))

        ratio = interleave(once, per_task, options.repeats)
        bound = tasks * single / storage_ledger(config).multiply_adds_per_image
        share = sorted(pair / bound for pair in ratio.pairs)[len(ratio.pairs) // 2]
        print(f"T={tasks:2d}: {ratio}; multiply-add bound {bound:.2f} x; reached {share:.2f} of it")


if __name__ == "__main__":
    main()
