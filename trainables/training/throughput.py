"""Measures the rate of a trial's training steps, for a probe of how many trials share a device. Nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from trainables.config.trial import TrialConfig
from trainables.data import Dataset, prepare_dataset
from trainables.evaluation.evaluator import VALIDATION
from trainables.evaluation.frozen import freeze_split
from trainables.evaluation.measure import embed_split
from trainables.failures import typed_failures
from trainables.sampling.triplet_store import TripletStore
from trainables.training.learner import Learner
from trainables.training.runtime import Runtime, peak_memory_bytes, trial_runtime

WARM_UP_STEPS = 20
"""Steps before the first measurement: allocator, kernels and optimizer state are then as they stay."""

_STEPS_BETWEEN_LOOKS = 5
"""Steps queued before the device is waited for, so that the clock is not read ahead of it."""

_EVALUATED_IMAGES = 1024


@dataclass(frozen=True)
class Throughput:
    """The steps of one process in a window of time.

    Attributes:
        steps: taken, all of them finished on the device.
        images: in their batches.
        seconds: the window.
        peak_bytes: the process's peak memory: reserved on the device on CUDA, resident elsewhere.
        used_bytes: in use on the device by all processes; 0 other than on CUDA.
    """

    steps: int
    images: int
    seconds: float
    peak_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class Device:
    """What a probe runs on: its name, and its memory in bytes (None other than on CUDA)."""

    name: str
    memory_bytes: int | None


class SteadyTraining:
    """A trial in training that never ends, evaluates once, and is thrown away."""

    def __init__(self, config: TrialConfig, cache: Path, runtime: Runtime) -> None:
        self._dataset = prepare_dataset(config.data, config.data_seed, cache)
        self._learner = Learner(config, self._dataset.splits["train"], runtime)
        self._steps = self._learner.endless_steps()
        self._batch = config.batches.batch_size
        self._runtime = runtime
        self._learner.model.train()
        self._take(WARM_UP_STEPS)
        self.validation_seconds = self._evaluate(config, self._dataset, cache)
        self._take(1)

    @property
    def device(self) -> Device:
        """The device it trains on."""
        device = self._runtime.device
        if device.type != "cuda":
            return Device(device.type, None)
        found = torch.cuda.get_device_properties(device)
        return Device(found.name, found.total_memory)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch of the trial."""
        return self._learner.batches.steps_per_epoch

    def run(self, seconds: float) -> Throughput:
        """Take steps for so long; the last ones may end a little later."""
        self._runtime.synchronize()
        started, steps, images = time.perf_counter(), 0, 0
        while (elapsed := time.perf_counter() - started) < seconds:
            images += self._take(_STEPS_BETWEEN_LOOKS)
            steps += _STEPS_BETWEEN_LOOKS
        return Throughput(steps, images, elapsed, self._peak_bytes(), self._used_bytes())

    def _take(self, steps: int) -> int:
        """Take steps and wait for them; return the number of images in their batches."""
        for _ in islice(self._steps, steps):
            pass
        self._runtime.synchronize()
        return steps * self._batch

    def _evaluate(self, config: TrialConfig, dataset: Dataset, cache: Path) -> float:
        """Embed validation images, since that may need more memory than a step; return the seconds for all of them."""
        store = TripletStore.in_cache(cache, dataset.fingerprint, config.data_seed)
        frozen = freeze_split(dataset.splits[VALIDATION], VALIDATION, dataset.tasks, config.evaluation, store)
        few = replace(frozen, rows=frozen.rows[:_EVALUATED_IMAGES])
        started = time.perf_counter()
        embed_split(self._learner.model, few, config.compute, config.data.preprocessing)
        self._runtime.synchronize()
        return (time.perf_counter() - started) * len(frozen.rows) / len(few.rows)

    def _peak_bytes(self) -> int:
        if self._runtime.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self._runtime.device)
        return peak_memory_bytes(self._runtime)

    def _used_bytes(self) -> int:
        if self._runtime.device.type != "cuda":
            return 0
        free, total = torch.cuda.mem_get_info(self._runtime.device)
        return total - free


@contextmanager
def steady_training(config: TrialConfig, cache: Path) -> Iterator[SteadyTraining]:
    """Build the trial's network and take its first steps, which are not timed; decode the images if nobody has.

    Raises:
        OutOfMemoryError: the process or the device has no memory left.
        ValueError: the configuration does not fit the data or the machine.
    """
    with typed_failures(torch.OutOfMemoryError), trial_runtime(config.compute) as runtime:
        yield SteadyTraining(config, cache, runtime)
