"""Seconds of a trained arm on this machine: to embed a gallery image and a query, and to search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import MultiTaskModel
from trainables.training.runtime import Runtime, computed_by

BATCH = 16
"""Gallery images embedded at once."""

REPEATS = 7
"""Rounds, of which the median counts."""

CALLS = 5
"""Of each round, of which the quickest counts; one more goes before."""

SEARCHED_BYTES = 32_000_000
"""Of the stored vectors that a query is compared with: more than the caches of a CPU hold."""


@dataclass(frozen=True)
class Seconds:
    """Of the quickest call of a round, or medians over rounds.

    Attributes:
        image: To embed one gallery image for all tasks, in batches of ``BATCH``.
        query: To embed one query alone for one task.
        search: To compare a query with one stored fp32 vector, from a scan of ``SEARCHED_BYTES``.
        device: On which they were measured: its type, and the name of a GPU.
        threads: Of the CPU.
    """

    image: float
    query: float
    search: float
    device: str
    threads: int


def time_once(model: MultiTaskModel, config: TrialConfig, runtime: Runtime) -> Seconds:
    """Time a trained model, fp32 weights, in the precision and memory layout of its trial."""
    size = config.data.image_size
    images = torch.rand(BATCH, 3, size, size, device=runtime.device).to(memory_format=runtime.memory_format)
    placed = runtime.place(model).eval()
    task = model.tasks[0]
    stored = torch.rand(max(1, SEARCHED_BYTES // (4 * model.embedding_size)), model.embedding_size)
    there, query = stored.to(runtime.device), torch.rand(model.embedding_size, device=runtime.device)
    with torch.inference_mode(), runtime.autocast():
        embedded = _quickest(lambda: placed.index_vectors(images), runtime)
        alone = _quickest(lambda: placed.embed_tasks(images[:1], (task,)), runtime)
    with torch.inference_mode():
        searched = _quickest(lambda: torch.mv(there, query), runtime)
    device = computed_by(runtime.device.type).get("gpu", runtime.device.type)
    return Seconds(embedded / BATCH, alone, searched / len(stored), device, torch.get_num_threads())


def _quickest(work: Callable[[], object], runtime: Runtime) -> float:
    """Return the least of ``CALLS`` seconds: what a machine does besides only adds to them."""
    found = []
    for _ in range(CALLS + 1):
        runtime.synchronize()
        started = time.perf_counter()
        work()
        runtime.synchronize()
        found.append(time.perf_counter() - started)
    return min(found[1:])
