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

SEARCHED_BYTES = 32_000_000
"""Of the stored vectors that a query is compared with: more than the caches of a CPU hold."""


@dataclass(frozen=True)
class Seconds:
    """Of one call each, or medians of several.

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
    """Time a trained model, fp32 weights, in the precision and memory layout of its trial; a call goes before."""
    size = config.data.image_size
    images = torch.rand(BATCH, 3, size, size, device=runtime.device).to(memory_format=runtime.memory_format)
    placed = runtime.place(model).eval()
    task = model.tasks[0]
    stored = torch.rand(max(1, SEARCHED_BYTES // (4 * model.embedding_size)), model.embedding_size)
    there, query = stored.to(runtime.device), torch.rand(model.embedding_size, device=runtime.device)
    with torch.inference_mode(), runtime.autocast():
        embedded = _second_call(lambda: placed.index_vectors(images), runtime)
        alone = _second_call(lambda: placed.embed_tasks(images[:1], (task,)), runtime)
    with torch.inference_mode():
        searched = _second_call(lambda: torch.mv(there, query), runtime)
    device = computed_by(runtime.device.type).get("gpu", runtime.device.type)
    return Seconds(embedded / BATCH, alone, searched / len(stored), device, torch.get_num_threads())


def _second_call(work: Callable[[], object], runtime: Runtime) -> float:
    work()
    runtime.synchronize()
    started = time.perf_counter()
    work()
    runtime.synchronize()
    return time.perf_counter() - started
