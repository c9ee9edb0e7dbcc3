"""A training step on an accelerator: eager, replayed from a CUDA graph, and with a compiled network.

    python -m benchmarks.gpu_step [--device cuda] [--images 64] [--size 64] [--width 1 0.25] [--precision bf16]
                                  [--compile] [--arms late all separate]

For each arm and width, printed are the milliseconds of a step and the images per second of three ways to run the same
steps: each batch given to ``take_step`` (``plain``), the steps of an epoch prepared ahead but queued by the host
(``ahead``), and replayed from a graph (``graph``, the product's way on CUDA). ``--compile`` adds the plain step with
the model's stages under ``torch.compile``, whose first step shows the seconds that compiling took. The ratio is to
``plain`` in the same run. On the CPU there is no graph; the command then only shows that the benchmark works.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.training_step import STAGES
from trainables.config.trial import TrialConfig
from trainables.data import Split
from trainables.networks.modulation import FORMS
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime

TASKS = [f"task{index}" for index in range(7)]
STEPS = 50
WARM_UP = 10
ARMS: dict[str, dict[str, Any]] = {
    "shared": {},
    **{f"late+{form}": {"modulation": {"points": STAGES[3:], "form": form}} for form in FORMS},
    "late": {"modulation": {"points": STAGES[3:]}},
    "all": {"modulation": {"points": STAGES}},
    "separate": {"network_groups": [[task] for task in TASKS]},
}


def config_of(arm: str, width: float, graph: str, options: argparse.Namespace) -> TrialConfig:
    """Return the trial of an arm."""
    compute = {"device": options.device, "precision": options.precision, "graph": graph}
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": options.size},
            "network": {"width": width, "batch_norm_momentum": 0.05},
            "batches": {"batch_size": options.images},
            "optimization": {"epochs": 1000, "steps_per_epoch": STEPS},
            "compute": compute,
            **ARMS[arm],
        }
    )


def split_of(options: argparse.Namespace) -> Split:
    """Return random images and labels."""
    draw = np.random.default_rng(0)
    count = 4 * options.images
    images = draw.integers(0, 256, (count, options.size, options.size, 3), dtype=np.uint8)
    return Split(images, draw.integers(0, 2, (count, len(TASKS))))


def milliseconds(step: Callable[[], object], runtime: Runtime, repeats: int) -> float:
    """Return the median milliseconds of a step over ``repeats`` windows of steps, after the warm-up."""
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(repeats):
        runtime.synchronize()
        started = time.perf_counter()
        for _ in range(STEPS // 5):
            step()
        runtime.synchronize()
        times.append((time.perf_counter() - started) / (STEPS // 5) * 1e3)
    return median(times)


def ways(arm: str, width: float, options: argparse.Namespace, stack: ExitStack) -> Iterator[tuple[str, Any, Runtime]]:
    """Yield each way to run the steps of an arm: its name, a step, and its runtime."""
    split = split_of(options)
    batch = Batch(np.arange(options.images))
    for way, graph in (("plain", "never"), ("ahead", "never"), ("graph", "auto"), ("compiled", "never")):
        if way == "compiled" and not options.compile:
            continue
        config = config_of(arm, width, graph, options)
        runtime = stack.enter_context(trial_runtime(config.compute))
        learner = Learner(config, split, runtime)
        if way in {"plain", "compiled"}:
            if way == "compiled":
                _compile(learner)
            yield way, lambda learner=learner: learner.take_step(batch), runtime
        else:
            steps = learner.endless_steps()
            yield way, lambda steps=steps: next(islice(steps, 1)), runtime
            if way == "graph" and options.device == "cuda" and not learner.captured:
                print(f"{arm}: the step was not captured")


def _compile(learner: Learner) -> None:
    """Compile the stages of every network in place: each is a module that maps a tensor to a tensor."""
    for network in learner.model.members:
        for stage in network.backbone.stages.values():
            stage.compile(dynamic=False)


def main() -> None:
    """Print one line per arm, width and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=float, nargs="+", default=[1.0, 0.25])
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda":
        print(torch.cuda.get_device_name(), torch.__version__)
    for width in options.width:
        for arm in options.arms:
            plain = float("nan")
            with ExitStack() as stack:
                for way, step, runtime in ways(arm, width, options, stack):
                    started = time.perf_counter()
                    step()
                    runtime.synchronize()
                    first = time.perf_counter() - started
                    found = milliseconds(step, runtime, options.repeats)
                    plain = found if way == "plain" else plain
                    rate = options.images / found * 1e3
                    print(
                        f"width {width:<5g} {arm:28s} {way:9s} {found:8.2f} ms {rate:9.0f} images/s"
                        f" {plain / found:6.2f} x of plain, first step {first:6.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
