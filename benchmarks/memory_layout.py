"""What channels-last training on the CPU costs and gives, against the other layout and against torch's own sums.

    OMP_NUM_THREADS=1 python -m benchmarks.memory_layout [--repeats 7]

Ours: a training step in ``channels_last`` with the batch norm of
``trainables.networks.backbones.channels_last_norm``. Peers: the same step in the other layout
(``compute.channels_last: false``), and in ``channels_last`` with torch's own batch norm, whose sums are rough there.
Printed is how many times our step the peer's takes, median [lowest, highest] over interleaved pairs, in computing
time; and for all three, how far the variances of the first norm and the gradient are from those in float64.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import interleave
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.backbones import channels_last_norm
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

SETTINGS = {
    "simplenet 1/4, 32 images of 48": ("simplenet", 0.25, 32, 48),
    "simplenet 1/2, 48 images of 64": ("simplenet", 0.5, 48, 64),
    "csn_resnet18 1/2, 48 images of 64": ("csn_resnet18", 0.5, 48, 64),
    "simplenet 1, 12 images of 150": ("simplenet", 1.0, 12, 150),
}


@contextmanager
def sums_of_torch() -> Iterator[None]:
    """Leave every batch norm to torch."""
    chain = channels_last_norm.CHAIN
    channels_last_norm.CHAIN = 2**62
    try:
        yield
    finally:
        channels_last_norm.CHAIN = chain


def learner_of(backbone: str, width: float, images: int, size: int, *, channels_last: bool) -> tuple[Learner, Batch]:
    """Return a learner on random images with 7 tasks, and a batch of all of them."""
    tasks = [f"task{index}" for index in range(7)]
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": tasks, "image_size": size},
            "network": {"backbone": backbone, "width": width, "batch_norm_momentum": 1.0},
            "batches": {"batch_size": images},
            "compute": {"device": "cpu", "channels_last": channels_last},
        }
    )
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (images, size, size, 3), dtype=np.uint8)
    with trial_runtime(config.compute) as runtime:
        return Learner(config, Split(pixels, draw.integers(0, 3, (images, 7))), runtime), Batch(np.arange(images))


def figures(learner: Learner, batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return, in float64, the variances of the first norm and the gradient of the embeddings' sum of a fixed draw."""
    model = learner.model.to(dtype).train()
    images = learner._read(batch).to(dtype)  # noqa: SLF001 - what the step reads
    embedded = model.embed_tasks(images)
    toward = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    gradient = torch.autograd.grad((embedded * toward).sum(), weights)
    variance = next(buffer for name, buffer in model.named_buffers() if name.endswith("running_var"))
    return variance.double(), torch.cat([each.flatten().double() for each in gradient])


def distance(found: Tensor, right: Tensor) -> float:
    """Return the length of the difference over that of what is right."""
    return float((found - right).norm() / right.norm())


def main() -> None:
    """Print two ratios and three pairs of errors a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, network in SETTINGS.items():
        print(f"{name}:")
        report_errors(network)
        ours, other_layout = (stepper(*network, channels_last=layout) for layout in (True, False))
        peers = {"the other layout": other_layout, "torch's own sums": with_sums_of_torch(ours)}
        for peer, action in peers.items():
            print(f"  {peer}: {interleave(ours, action, options.repeats, time.process_time)}", flush=True)


def stepper(backbone: str, width: float, images: int, size: int, *, channels_last: bool) -> Callable[[], object]:
    """Return a function that takes a training step."""
    learner, batch = learner_of(backbone, width, images, size, channels_last=channels_last)
    return lambda: learner.take_step(batch)


def with_sums_of_torch(step: Callable[[], object]) -> Callable[[], object]:
    """Return a function that takes the step and leaves every batch norm to torch."""

    def rough() -> None:
        with sums_of_torch():
            step()

    return rough


def report_errors(network: tuple[str, float, int, int]) -> None:
    """Print how far variances and gradients are from float64."""
    right = figures(*learner_of(*network, channels_last=False), torch.float64)
    last = figures(*learner_of(*network, channels_last=True), torch.float32)
    first = figures(*learner_of(*network, channels_last=False), torch.float32)
    with sums_of_torch():
        rough = figures(*learner_of(*network, channels_last=True), torch.float32)
    for way, found in {"ours": last, "the other layout": first, "torch's own sums": rough}.items():
        errors = [distance(value, exact) for value, exact in zip(found, right, strict=True)]
        print(f"  {way}: variance {errors[0]:.1e}, gradient {errors[1]:.1e} off", flush=True)


if __name__ == "__main__":
    main()
