"""A training step of every form, against the bare shared network in the same run.

    python -m benchmarks.training_step [--tasks 7] [--images 32] [--size 48] [--width 0.25] [--repeats 7]

Peer: the step of the fully shared network without modulation, on the same images. Each form is measured at the released
placement (res4, res5, fc) and, where it is published for the whole network, at every stage. Printed is how many times
the peer's step a step takes, median [lowest, highest] over interleaved pairs. Balancing methods: ``task_balancing``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch

from benchmarks.measure import interleave
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.modulation import FORMS
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import trial_runtime

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
EVERYWHERE = ("scale", "task_routing", "batch_norm", "parallel_adapter", "low_rank_convolution", "weight_mask")


def arms() -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the name and the settings of every arm."""
    for form in FORMS:
        yield f"late+{form}", {"modulation": {"points": STAGES[3:], "form": form}}
    for form in EVERYWHERE:
        yield f"all+{form}", {"modulation": {"points": STAGES, "form": form}}
    yield "separate", {"network_groups": "each"}


def stepper(settings: dict[str, object], options: argparse.Namespace) -> Callable[[], object]:
    """Return a function that takes one training step on a fixed batch of random images."""
    tasks = [f"task{index}" for index in range(options.tasks)]
    if settings.get("network_groups") == "each":
        settings = {"network_groups": [[task] for task in tasks]}
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": tasks, "image_size": options.size},
            "network": {"width": options.width, "batch_norm_momentum": 0.05},
            "batches": {"batch_size": options.images},
            "compute": {"device": options.device},
            **settings,
        }
    )
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (options.images, options.size, options.size, 3), dtype=np.uint8)
    split = Split(images, draw.integers(0, 3, (options.images, options.tasks)))
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
    batch = Batch(np.arange(options.images))

    def step() -> None:
        learner.take_step(batch)
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    """Print one line an arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=7)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    peer = stepper({}, options)
    # On the CPU, with one thread, computing time stands for wall time, and other work on the machine does not count.
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    for name, settings in arms():
        ratio = interleave(
            peer, stepper(settings, options), options.repeats, clock
        )  # how many peer steps one of ours takes
        pairs = ratio.pairs
        print(
            f"{name:28s} {median(pairs):6.2f} x [{min(pairs):.2f}, {max(pairs):.2f}] over {len(pairs)} pairs",
            flush=True,
        )


if __name__ == "__main__":
    main()
