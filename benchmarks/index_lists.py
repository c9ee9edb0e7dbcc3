"""Approximate search against exact search of one index: recall, share of images compared, speed, by lists probed.

    python -m benchmarks.index_lists [FOLDER ...] [--images 200000] [--vector 256] [--queries 200] [--rounds 3]

FOLDER: images in the Hugging Face layout with splits (``data/train-*.parquet`` ...). For each, a small network of which
the embedding alone is modulated is trained as in ``index_precision``, and its test images are indexed. Besides, two
indexes of drawn unit vectors: ``drawn, alike`` has no structure at all, which is the worst case of any lists;
``drawn, grouped`` has a centre for every hundred vectors, with as much noise as signal.

Queries are images of the index, compared with all others. Recall@10: the share of the ten nearest of an exact search
that are among the ten of the approximate one, mean over queries and tasks. Exact and approximate searches of one query
follow each other, so that what else the machine does falls on all; a ratio is that of the medians of a round, and its
range is over rounds. Neither side embeds the query or reads ids; the first searches, which come before the copy in
8-bit integers (docs/retrieval.md), are not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.index_precision import trained
from benchmarks.index_scan import Draw, has_shadow, view_of, written
from benchmarks.index_scan import drawn as alike
from trainables.index import ImageIndex
from trainables.index.adding.writing import IndexWriter
from trainables.index.lists import Lists, read_lists
from trainables.index.searching import Probe, Query, Scan
from trainables.index.stored.manifest import IndexManifest
from trainables.index.stored.segments import Segment
from trainables.index.stored.shadow import SEARCHES
from trainables.index.vectors import Layout
from trainables.index.views import TaskView

TOP = 10
MOST_PROBED = 1 / 2
"""Of the lists; from one list on, each time twice as many are probed, and the usual number."""


@dataclass(frozen=True)
class Searched:
    """A task of an index, opened."""

    segments: Sequence[Segment]
    view: TaskView
    lists: Lists

    def query(self, place: tuple[Segment, int]) -> Query:
        """Return an image of the index as a query, which is not compared with itself."""
        segment, row = place
        stored = segment.decoded(self.view.place.row, slice(row, row + 1))
        return Query({"task": self.view.embeddings(stored)[0]}, {"task": 1.0}, excluded=place)

    def warm(self, query: Query) -> None:
        """Search until a thread has copied the vectors (docs/retrieval.md)."""
        for _ in range(SEARCHES + 1):
            self.search(query, None)
        while any(has_shadow(segment) and segment.shadow(self.view.place.row) is None for segment in self.segments):
            time.sleep(0.01)

    def search(self, query: Query, count: int | None) -> tuple[set[tuple[int, int]], float]:
        """Return which rows are found in a number of lists, None for an exact search, and the seconds it took."""
        views, begun = {"task": self.view}, time.perf_counter()
        if count is None:
            found = Scan(self.segments, views, query).best(TOP)
        else:
            found = Probe(self.segments, views, query, self.probed(query, count)).best(TOP)
        seconds = time.perf_counter() - begun
        return {(one.segment.facts.number, one.row) for one in found}, seconds

    def probed(self, query: Query, count: int) -> Iterator[np.ndarray]:
        """Yield the rows of the nearest lists, beginning with a number of these."""
        return self.lists.probed(query.embeddings["task"], normalized=self.view.normalized, first=count)

    def compared(self, query: Query, count: int) -> float:
        """Return the share of the images that a search looks at."""
        return len(next(self.probed(query, count))) / self.lists.total


@dataclass(frozen=True)
class Row:
    """A row of the table, over the tasks of an index."""

    lists: str
    recall: float
    compared: float
    speeds: Sequence[float]


def measured(tasks: Sequence[Searched], options: argparse.Namespace) -> list[Row]:
    """Ask everything in turn, and compare."""
    every, usual = len(tasks[0].lists.ends), tasks[0].lists.usual
    counts = sorted({usual, *(2**power for power in range(20) if 2**power <= MOST_PROBED * every)})
    recalls: dict[int, list[float]] = {count: [] for count in counts}
    compared: dict[int, list[float]] = {count: [] for count in counts}
    speeds: dict[int, list[float]] = {count: [] for count in counts}
    for task in tasks:
        queries = [task.query(place) for place in places(task.segments, options.queries)]
        task.warm(queries[0])
        for number in range(options.rounds):
            exact: list[float] = []
            probed: dict[int, list[float]] = {count: [] for count in counts}
            for query in queries:
                wanted, seconds = task.search(query, None)
                exact.append(seconds)
                for count in counts:
                    found, seconds = task.search(query, count)
                    probed[count].append(seconds)
                    if not number:
                        recalls[count].append(len(found & wanted) / TOP)
                        compared[count].append(task.compared(query, count))
            for count in counts:
                speeds[count].append(statistics.median(exact) / statistics.median(probed[count]))
    return [
        Row(
            f"{count} of {every}" + (" (usual)" if count == usual else ""),
            statistics.mean(recalls[count]),
            statistics.mean(compared[count]),
            speeds[count],
        )
        for count in counts
    ]


def places(segments: Sequence[Segment], count: int) -> list[tuple[Segment, int]]:
    """Return images spread over an index."""
    every = [(segment, row) for segment in segments for row in range(len(segment))]
    return every[:: max(1, len(every) // count)][:count]


def real(folder: Path, options: argparse.Namespace, home: Path) -> list[Searched]:
    """Train, index the test images and build lists."""
    name = f"{folder.name}/embedding"
    packs = trained(folder, "embedding", options, home)
    index = ImageIndex.create(home / f"lists-{folder.name}", packs, model=name, thumbnails=0)
    index.add_from(next((folder / "data").glob("test-*.parquet")))
    index.approximate()
    layout = Layout(index.model.network, index.tasks)
    views = [
        TaskView(layout.places[task], index.manifest.size, normalized=index.packed.normalize) for task in index.tasks
    ]
    return [opened(index.folder, index.manifest, index.segments, view) for view in views]


def opened(folder: Path, manifest: IndexManifest, segments: Sequence[Segment], view: TaskView) -> Searched:
    """Return a task with its lists."""
    return Searched(segments, view, read_lists(folder, manifest.lists[view.place.key], manifest))


def drawn(kind: str, options: argparse.Namespace, home: Path) -> list[Searched]:
    """Write drawn vectors as an index and build lists."""
    folder, view = home / f"drawn-{kind}", view_of(options.vector)
    draw = alike(options.vector) if kind == "alike" else grouped(options.images, options.vector)
    manifest = written(folder, options.images, draw)
    writer = IndexWriter(folder, manifest)
    begun = time.perf_counter()
    writer.build_lists({view.place.key: view})
    print(f"drawn, {kind}: lists built in {time.perf_counter() - begun:.1f} s", flush=True)
    segments = [Segment(folder, facts, writer.manifest) for facts in writer.manifest.segments]
    return [opened(folder, writer.manifest, segments, view)]


def grouped(images: int, size: int) -> Draw:
    """Return what draws unit vectors around centres, one for each hundred."""
    centres = torch.randn(max(1, images // 100), size, generator=generator(10**6))

    def draw(count: int, part: int) -> torch.Tensor:
        chosen = torch.randint(len(centres), (count,), generator=generator(part))
        noise = torch.randn(1, count, size, generator=generator(10**7 + part))
        found = centres[chosen] + noise
        return found / found.norm(dim=2, keepdim=True)

    return draw


def generator(seed: int) -> torch.Generator:
    """Return a stream of its own."""
    return torch.Generator().manual_seed(seed)


def lines(name: str, images: int, found: Sequence[Row]) -> Iterator[str]:
    """Yield the rows of the Markdown table."""
    for row in found:
        speed = f"{statistics.median(row.speeds):.1f} x [{min(row.speeds):.1f}, {max(row.speeds):.1f}]"
        yield f"| {name} | {images:,} | {row.lists} | {100 * row.compared:.1f} % | {row.recall:.3f} | {speed} |"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--images", type=int, default=200_000, help="Drawn vectors.")
    parser.add_argument("--vector", type=int, default=256, help="Their length.")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=48, help="Of images, in pixels.")
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--embedding", type=int, default=128)
    options = parser.parse_args()
    table = []
    with TemporaryDirectory() as place:
        home = Path(place)
        kinds = {folder.name: lambda folder=folder: real(folder, options, home) for folder in options.folders}
        kinds |= {f"drawn, {kind}": lambda kind=kind: drawn(kind, options, home) for kind in ("alike", "grouped")}
        for name, make in kinds.items():
            tasks = make()
            table += lines(name, tasks[0].lists.total, measured(tasks, options))
    print("\n| images | number | lists probed | images compared | recall@10 of exact | speed of exact |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(table))


if __name__ == "__main__":
    main()
