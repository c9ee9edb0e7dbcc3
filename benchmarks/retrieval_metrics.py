"""Exact rank metrics of large galleries: time and memory beside pytorch-metric-learning and torchmetrics.

    python -m benchmarks.retrieval_metrics [--galleries 10000 20000 200000] [--queries 1000] [--repeats 3] [--limit 4]
    python -m benchmarks.retrieval_metrics --full [--gallery 200000] [--queries 10000] [--tasks 7] [--limit 4]

All sides get the same unit vectors of 256 dimensions and the same binary labels (one image in five has the attribute),
and compute average precision, R-precision and Recall@1 in one call, as their documentation shows it. Ours computes its
other metrics and chance levels too, with distances in float64; the peers' are in float32. pytorch-metric-learning
searches with its own ``CustomKNN``, 64 queries at a time; torchmetrics, which searches nothing, is given the
similarities of one product of matrices. Every side runs in a process of its own that may hold ``--limit`` GiB of data;
a side that needs more is said to fail. Times are of CPU, since machines are shared. ``--full`` measures all tasks with
this project alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median

import numpy as np
import torch

from trainables.evaluation.frozen import FrozenSplit

DIMENSIONS = 256
SHARE = 0.2
Found = dict[str, float]


@dataclass(frozen=True)
class Case:
    """Sizes of one measurement; the first ``queries`` images are the queries."""

    gallery: int
    queries: int
    tasks: int
    limit_gib: float
    threads: int

    def embeddings(self) -> torch.Tensor:
        """Return unit vectors (T, N, D) that lie a little nearer to images with the same label."""
        generator = torch.Generator().manual_seed(0)
        found = torch.empty(self.tasks, self.gallery, DIMENSIONS)
        for task in range(self.tasks):
            found[task].normal_(generator=generator)
            found[task, :, 0] += 2 * torch.from_numpy(self.labels()[:, task])
            found[task] /= found[task].norm(dim=1, keepdim=True)
        return found

    def labels(self) -> np.ndarray:
        """Return binary labels (N, T)."""
        return (np.random.default_rng(0).random((self.gallery, self.tasks)) < SHARE).astype(np.int64)


def ours(case: Case, embeddings: torch.Tensor) -> Found:
    """Measure all tasks as a trial does."""
    from trainables.evaluation.measure import retrieval_metrics

    ranked = np.ones(case.gallery, bool)
    tasks = tuple(f"task {number}" for number in range(case.tasks))
    split = FrozenSplit(
        name="test",
        tasks=tasks,
        images=np.zeros((case.gallery, 1, 1, 3), np.uint8),  # not looked at
        rows=np.arange(case.gallery),
        labels=case.labels(),
        triplets={},
        ranked=ranked,
        queries=np.arange(case.gallery) < case.queries,
    )
    rows = retrieval_metrics(embeddings, split)
    return {row.metric: row.value for row in rows if row.task == tasks[0] and row.average == "query"}


def pytorch_metric_learning(case: Case, embeddings: torch.Tensor) -> Found:
    """Measure the first task."""
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    labels = torch.from_numpy(case.labels()[:, 0])
    names = {
        "mean_average_precision": "mean_average_precision",
        "r_precision": "r_precision",
        "recall_at_1": "precision_at_1",
    }
    calculator = AccuracyCalculator(
        include=tuple(names.values()),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False), batch_size=64),
        kmeans_func=print,
        device=torch.device("cpu"),
    )
    few = slice(0, case.queries)
    found = calculator.get_accuracy(embeddings[0, few], labels[few], embeddings[0], labels, ref_includes_query=True)
    return {own: found[theirs] for own, theirs in names.items()}


def torchmetrics(case: Case, embeddings: torch.Tensor) -> Found:
    """Measure the first task."""
    from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalRPrecision

    labels = torch.from_numpy(case.labels()[:, 0])
    queries, gallery = torch.arange(case.queries), torch.arange(case.gallery)
    others = gallery != queries[:, None]
    similar = (embeddings[0, : case.queries] @ embeddings[0].T)[others] + 1  # it ignores what is not positive
    relevant = (labels[: case.queries, None] == labels)[others]
    of_query = queries[:, None].expand(-1, case.gallery)[others]
    metrics = {
        "mean_average_precision": RetrievalMAP(),
        "r_precision": RetrievalRPrecision(),
        "recall_at_1": RetrievalHitRate(top_k=1),
    }
    return {name: float(metric(similar, relevant, indexes=of_query)) for name, metric in metrics.items()}


SIDES: dict[str, Callable[[Case, torch.Tensor], Found]] = {
    "ours": ours,
    "pytorch-metric-learning": pytorch_metric_learning,
    "torchmetrics": torchmetrics,
}


@dataclass(frozen=True)
class Measured:
    """CPU and wall seconds of the call, largest resident memory of the process in GiB, and values; or why none."""

    seconds: float = 0.0
    wall_s: float = 0.0
    peak_gib: float = 0.0
    found: Found | None = None
    failure: str = ""


def _in_child(side: str, case: Case, pipe: Connection) -> None:
    torch.set_num_threads(case.threads)
    limit = int(case.limit_gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        embeddings = case.embeddings()
        start, computed = time.perf_counter(), time.process_time()
        found = SIDES[side](case, embeddings)
        computed, wall = time.process_time() - computed, time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        pipe.send(Measured(computed, wall, peak, found))
    except (MemoryError, RuntimeError) as error:  # torch reports exhausted memory as a RuntimeError
        pipe.send(Measured(failure=str(error).splitlines()[0][:100] or "MemoryError"))


def measured(side: str, case: Case) -> Measured:
    """Run one side in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs = context.Pipe()
    child = context.Process(target=_in_child, args=(side, case, theirs))
    child.start()
    theirs.close()
    try:
        found: Measured = ours_end.recv()
    except EOFError:
        found = Measured(failure="the process was ended, presumably for its memory")
    child.join()
    return found


def beside_peers(case: Case, repeats: int) -> None:
    """Print the times of all sides, which run in turn, and their ratios to ours."""
    runs: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side, known in runs.items():
            if not any(run.failure for run in known):
                known.append(measured(side, case))
    print(f"{case.queries:,} queries x {case.gallery:,} images x {DIMENSIONS}, {case.threads} threads")
    for side, known in runs.items():
        if known[-1].failure:
            print(f"  {side}: fails within {case.limit_gib} GiB: {known[-1].failure}")
            continue
        pairs = [run.seconds / own.seconds for run, own in zip(known, runs["ours"], strict=True)]
        ratio = "" if side == "ours" else f", {median(pairs):.2f} x ours [{min(pairs):.2f}, {max(pairs):.2f}]"
        values = ", ".join(f"{name} {value:.6f}" for name, value in (known[0].found or {}).items() if name in COMMON)
        seconds, peak = median(run.seconds for run in known), known[0].peak_gib
        print(f"  {side}: {seconds:.2f} s of CPU{ratio}, {peak:.2f} GiB; {values}", flush=True)


COMMON = ("mean_average_precision", "r_precision", "recall_at_1")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--galleries", type=int, nargs="+", default=[10_000, 20_000, 200_000])
    parser.add_argument("--gallery", type=int, default=200_000)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--tasks", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    if options.full:
        case = Case(options.gallery, options.queries or 10_000, options.tasks, options.limit, options.threads)
        print(f"{case.tasks} tasks, {case.queries:,} queries x {case.gallery:,} images x {DIMENSIONS}:", flush=True)
        found = measured("ours", case)
        each = 1000 * found.seconds / (case.tasks * case.queries)
        times = f"{found.wall_s:.0f} s, {found.seconds:.0f} s of CPU, {each:.2f} ms of CPU a query and task"
        print(found.failure or f"{times}, {found.peak_gib:.2f} GiB")
        return
    for gallery in options.galleries:
        beside_peers(Case(gallery, options.queries or 1000, 1, options.limit, options.threads), options.repeats)


if __name__ == "__main__":
    main()
