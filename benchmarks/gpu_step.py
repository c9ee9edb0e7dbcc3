"""A training step of every form and placement on a GPU: plain, prepared ahead, captured as a CUDA graph, and compiled.

    python -m benchmarks.gpu_step [--width 0.5] [--precision bf16] [--arms late,all] [--ways plain,ahead,graph,compiled]

Peer: the plain step, ``Learner.take_step`` of a batch from the host. ``ahead``: the steps of an epoch prepared but
queued by the host; ``graph``: replayed from a graph, the product's way on CUDA; ``compiled``: the plain step with the
network's stages under ``torch.compile``. For each way: milliseconds a step (median of windows), images/s, the share of
time in which the GPU runs kernels (torch's profiler), the ratio to the plain step, and to a roofline: the longer of the
arm's arithmetic at the rate of a large matrix product, and of its parameters' traffic at the rate of a large copy, both
measured first. Arithmetic is three times the ledger's multiply-adds (forward, and backward by weights and by inputs);
traffic is ten times the bytes of the parameters (read twice, gradient written and read, Adam's weight and two moments
read and written). Activations are not counted, so the roofline cannot be reached. The seconds of the first steps show
what capture and compilation take.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu import Settings, announce, parser, trial
from trainables.data import Split
from trainables.networks.ledger import storage_ledger
from trainables.networks.modulation import FORMS
from trainables.sampling.batch import Batch
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, trial_runtime

STAGES = ("conv1", "res2", "res3", "res4", "res5", "fc")
WAYS = ("plain", "ahead", "graph", "compiled")
_IMAGES = 1024
_WARM_UP = 12  # the capture and its first replays included


@dataclass(frozen=True)
class Peaks:
    """Rates of the device: multiply-adds per second of a large product, and bytes per second of a large copy."""

    multiply_adds: float
    bytes: float

    def roofline_s(self, multiply_adds: float, parameter_bytes: float) -> float:
        """Return the least seconds of a step."""
        return max(3 * multiply_adds / self.multiply_adds, 10 * parameter_bytes / self.bytes)


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step, of the first steps together, and the share of time with a kernel running (None: not known)."""

    seconds: float
    first_s: float
    busy: float | None
    captured: bool


def arms(chosen: list[str]) -> Iterator[tuple[str, Settings]]:
    """Yield name and settings: the shared network, every form late and at all stages, growing placements, separate."""
    named: dict[str, Settings] = {"shared": {}}
    named |= {f"late+{form}": {"modulation": {"points": STAGES[3:], "form": form}} for form in FORMS}
    named |= {f"{STAGES[-count]}..fc": {"modulation": {"points": STAGES[-count:]}} for count in (1, 2, 4, 5)}
    named |= {f"all+{form}": {"modulation": {"points": STAGES, "form": form}} for form in FORMS}
    named["separate"] = {"network_groups": "each"}
    yield from ((name, settings) for name, settings in named.items() if any(part in name for part in chosen))


def measured_peaks(runtime: Runtime, side: int) -> Peaks:
    """Return what the device reaches in the trial's precision."""
    kind = torch.bfloat16 if runtime.bf16 else torch.float32
    left, right = (torch.randn(side, side, device=runtime.device, dtype=kind) for _ in range(2))
    source = torch.empty(side * side * 4, device=runtime.device)
    target = torch.empty_like(source)
    product = _best(runtime, lambda: torch.mm(left, right))
    copy = _best(runtime, lambda: target.copy_(source))
    return Peaks(side**3 / product, 2 * source.numel() * source.element_size() / copy)


def _best(runtime: Runtime, work: Callable[[], object], repeats: int = 10) -> float:
    found = []
    for _ in range(repeats):
        runtime.synchronize()
        started = time.perf_counter()
        work()
        runtime.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)


def timed(way: str, settings: Settings, options: argparse.Namespace) -> StepTime:
    """Train an arm one way and return its times."""
    config = trial(options, {} if way == "graph" else {"graph": "never"}, **_groups(settings, options))
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (_IMAGES, options.size, options.size, 3), dtype=np.uint8)
    split = Split(images, draw.integers(0, 3, (_IMAGES, options.tasks)))
    with trial_runtime(config.compute) as runtime:
        learner = Learner(config, split, runtime)
        if way == "compiled":
            _compile(learner)
        learner.model.train()
        steps = learner.endless_steps() if way in {"ahead", "graph"} else _plain_steps(learner, options.images)
        first = _window(runtime, steps, _WARM_UP)
        windows = [_window(runtime, steps, options.steps) / options.steps for _ in range(options.windows)]
        busy = _busy_share(runtime, steps, options.steps) if options.device == "cuda" else None
        return StepTime(median(windows), first, busy, learner.captured)


def _plain_steps(learner: Learner, images: int) -> Iterator[None]:
    batch = Batch(np.arange(images))
    while True:
        learner.take_step(batch)
        yield


def _compile(learner: Learner) -> None:
    """Compile the stages of every network in place: each is a module that maps a tensor to a tensor."""
    torch._dynamo.config.recompile_limit = 64  # noqa: SLF001 - a network of six stages meets the default of 8
    for network in learner.model.members:
        for stage in network.backbone.stages.values():
            stage.compile(dynamic=False)


def _groups(settings: Settings, options: argparse.Namespace) -> Settings:
    if settings.get("network_groups") != "each":
        return settings
    tasks = trial(options).data.tasks
    return {"network_groups": [[task] for task in tasks]}


def _window(runtime: Runtime, steps: Iterator[None], count: int) -> float:
    runtime.synchronize()
    started = time.perf_counter()
    for _ in islice(steps, count):
        pass
    runtime.synchronize()
    return time.perf_counter() - started


def _busy_share(runtime: Runtime, steps: Iterator[None], count: int) -> float:
    """Return the share of time in which kernels run; the profiler slows the host, so it is a lower bound."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        seconds = _window(runtime, steps, count)
    kernels = sum(event.self_device_time_total for event in profiled.key_averages())
    return float(kernels) / 1e6 / seconds


def line(way: str, found: StepTime, plain: StepTime | None, floor_s: float, images: int) -> str:
    """Return one line of an arm."""
    busy = "-" if found.busy is None else f"{100 * found.busy:.0f} %"
    ratio = "" if plain is None else f"{plain.seconds / found.seconds:6.2f} x"
    how = " (not captured)" if way == "graph" and not found.captured else ""
    return (
        f"  {way + how:22s} {1e3 * found.seconds:8.2f} ms {images / found.seconds:9.0f} images/s"
        f"  busy {busy:>5s}  {ratio:>9s} plain  {found.seconds / floor_s:7.1f} x roofline"
        f"  first {_WARM_UP} steps {found.first_s:.1f} s"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print one line for every arm and way."""
    made = parser(__doc__)
    made.add_argument("--arms", default="", help="parts of names, comma-separated; by default all")
    made.add_argument("--ways", default=",".join(WAYS))
    made.add_argument("--steps", type=int, default=50, help="of a window")
    made.add_argument("--windows", type=int, default=5)
    made.add_argument("--side", type=int, default=8192, help="of the matrix product of the roofline")
    options = made.parse_args(arguments)
    announce(options)
    with trial_runtime(trial(options).compute) as runtime:
        peaks = measured_peaks(runtime, options.side)
    print(f"peaks: {peaks.multiply_adds / 1e12:.1f} T multiply-adds/s, {peaks.bytes / 1e9:.0f} GB/s", flush=True)
    for name, settings in arms(options.arms.split(",")):
        ledger = storage_ledger(trial(options, **_groups(settings, options)))
        floor_s = peaks.roofline_s(options.images * ledger.multiply_adds_per_image, ledger.bytes_fp32)
        print(f"{name}: {1e3 * floor_s:.3f} ms by the roofline", flush=True)
        plain = None
        for way in options.ways.split(","):
            found = timed(way, settings, options)
            plain = found if way == "plain" else plain
            print(line(way, found, plain, floor_s, options.images), flush=True)


if __name__ == "__main__":
    main()
