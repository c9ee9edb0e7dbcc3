"""An exact query of an index against a plain NumPy scan of the same vectors, and the memory of building and asking.

    python -m benchmarks.index_scan [--images 200000] [--size 256] [--queries 200] [--rounds 5] [--precision fp32]

Peer: ``vectors @ query`` on one array in memory, ``argpartition`` for the best twelve, sorted. Ours: ``IndexReader``'s
scan of the memory-mapped segments, with deletions and conditions looked at, and the twelve rows found; neither side
embeds the query or reads ids. Unit vectors are drawn. The sides take turns of a few queries, so that what else the
machine does falls on both, with a pause between: the threads of either library spin for a while after their work, and
would take the other's cores. The first searches of an opened index, before a thread copies the vectors
(docs/retrieval.md), are told apart from later ones, which begin when the copy is there. Each round gives a median and a
99th percentile; printed are medians and ranges over rounds.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from trainables.config.trial import TrialConfig
from trainables.index.adding.writing import SEGMENT_IMAGES, IndexWriter
from trainables.index.searching import Query, Scan
from trainables.index.stored.manifest import IndexManifest, write_index
from trainables.index.stored.segments import ImageRow, Segment, write_segment
from trainables.index.stored.shadow import FEWEST_ROWS, SEARCHES
from trainables.index.vectors import Layout
from trainables.index.views import TaskView
from trainables.networks.multi_task import build_model
from trainables.networks.precision import Precision

TOP = 12
OPENS = 4
"""Times that an index is opened for its first searches, for each round of later ones: they are few."""

TURN, PAUSE = 20, 0.2
"""Queries of a turn, and seconds before it."""


Draw = Callable[[int, int], torch.Tensor]
"""From a number N of vectors and the seed of their part to unit vectors ``(1, N, D)``."""


def drawn(size: int) -> Draw:
    """Return what draws unit vectors of all directions."""

    def draw(count: int, part: int) -> torch.Tensor:
        found = torch.randn(1, count, size, generator=torch.Generator().manual_seed(part))
        return found / found.norm(dim=2, keepdim=True)

    return draw


def written(folder: Path, images: int, draw: Draw, precision: Precision = "fp32") -> IndexManifest:
    """Write drawn vectors as ``modstudy index`` does, segment by segment, which are joined in the end."""
    size = draw(1, 0).shape[2]
    manifest = IndexManifest(
        model="drawn", tasks=("task",), vectors=1, size=size, precisions=(precision,), thumbnails=0
    )
    segments = []
    for number, start in enumerate(range(0, images, SEGMENT_IMAGES), start=1):
        count = min(SEGMENT_IMAGES, images - start)
        rows = [ImageRow(f"{start + row}.jpg", f"{start + row}.jpg", "", {}) for row in range(count)]
        segments.append(write_segment(folder, number, draw(count, number), rows, manifest.precisions))
    manifest = manifest.model_copy(update={"segments": tuple(segments), "next": len(segments) + 1})
    write_index(folder, manifest)
    writer = IndexWriter(folder, manifest)
    writer.compact()
    return writer.manifest


def view_of(size: int) -> TaskView:
    """Return the view of a task that changes nothing: its vectors are compared as they are."""
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": ("task",), "image_size": 48},
            "network": {"backbone": "simplenet", "width": size / 256},
            "modulation": {},
        }
    )
    return TaskView(Layout(build_model(config), ("task",)).places["task"], size, normalized=True)


def scanned(vectors: np.ndarray, query: np.ndarray) -> list[int]:
    """Return the rows of the best by a plain scan."""
    products = vectors @ query
    best = np.argpartition(-products, TOP)[:TOP]
    return [int(row) for row in best[np.argsort(-products[best])]]


def summary(name: str, rounds: Iterable[np.ndarray]) -> str:
    """Return median and 99th percentile over rounds, with their ranges."""
    words = []
    for label, share in (("median", 50), ("p99", 99)):
        found = [1e3 * float(np.percentile(times, share)) for times in rounds]
        words.append(f"{label} {median(found):.1f} ms [{min(found):.1f}, {max(found):.1f}]")
    return f"{name}: {'; '.join(words)}"


def main() -> None:
    """Print bytes, seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        manifest = written(Path(folder), options.images, drawn(options.size), options.precision)
        print(f"built: {len(manifest):,} x {options.size}, {time.perf_counter() - started:.1f} s, {memory()}")
        view, size = view_of(options.size), options.size
        queries = drawn(size)(options.queries, -1)[0]
        peer_vectors = np.concatenate([segment.decoded(0).numpy() for segment in opened(Path(folder), manifest)])
        first = [
            seconds(opened(Path(folder), manifest), view, queries[:SEARCHES], peer_vectors)
            for _ in range(OPENS * options.rounds)
        ]
        later = []
        for number in range(options.rounds):
            segments = opened(Path(folder), manifest)
            while any(segment.shadow(0) is None for segment in segments if has_shadow(segment)):
                time.sleep(0.01)
            later.append(seconds(segments, view, queries, peer_vectors))
            if not number:
                print(f"queried: {len(segments)} segments, {memory()} with the peer's vectors")
    for name, found in ((f"first {SEARCHES}", first), ("later", later)):
        mine, peer = (np.array([pair[side] for pair in found]) for side in (0, 1))
        print(summary(f"{name}, ours", mine), summary(f"{name}, NumPy", peer), sep="\n")
        for label, share in (("median", 50), ("p99", 99)):
            ratios = np.percentile(peer, share, axis=1) / np.percentile(mine, share, axis=1)
            print(f"{name}, NumPy / ours, {label}: {np.median(ratios):.2f} x [{ratios.min():.2f}, {ratios.max():.2f}]")


def opened(folder: Path, manifest: IndexManifest) -> list[Segment]:
    """Return the segments, opened anew."""
    return [Segment(folder, facts, manifest) for facts in manifest.segments]


def has_shadow(segment: Segment) -> bool:
    """Return whether searches of a segment are to be by a copy of its vectors."""
    return segment.scanned == "fp32" and len(segment) >= FEWEST_ROWS


def seconds(
    segments: Sequence[Segment], view: TaskView, queries: torch.Tensor, peer: np.ndarray
) -> tuple[list[float], list[float]]:
    """Return the seconds of each query, ours and the peer's."""

    def ours(query: torch.Tensor) -> None:
        Scan(segments, {"task": view}, Query({"task": query}, {"task": 1.0})).best(TOP)

    found: tuple[list[float], list[float]] = ([], [])
    for start in range(0, len(queries), TURN):
        for side, ask in enumerate((ours, lambda query: scanned(peer, query.numpy()))):
            time.sleep(PAUSE)
            for query in queries[start : start + TURN]:
                begun = time.perf_counter()
                ask(query)
                found[side].append(time.perf_counter() - begun)
    return found


def memory() -> str:
    """Return the most memory that this process had so far."""
    return f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


if __name__ == "__main__":
    main()
