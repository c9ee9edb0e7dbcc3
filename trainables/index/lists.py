"""Lists of rows that are near each other for a task, so that a search need not compare all: approximate.

The inverted file of Sivic and Zisserman (ICCV 2003), as faiss builds it: k-means on a sample of a task's embeddings,
and each row in the list of its nearest centre. The lists hold row numbers alone, 4 bytes an image and task, since the
vectors are in the segments: an image keeps one stored vector also where T tasks have lists of their own. They are a
derived file: an index without them, or with stale ones, is searched exactly.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainables.foundation.damage import DAMAGE
from trainables.foundation.files import write_atomically
from trainables.index.errors import IndexFault
from trainables.index.stored.coarse import blocks
from trainables.index.stored.manifest import IndexManifest, ListFacts
from trainables.index.stored.segments import Segment
from trainables.index.views import TaskView

LISTS = "lists"
EXTRA = "approximate"

STALE = 0.2
"""Share of rows outside the lists from which they are stale."""

_SAMPLE = 65_536
_ROUNDS = 10


@dataclass(frozen=True)
class Lists:
    """The lists of a task.

    Attributes:
        centres: ``(K, D)``, fp32.
        order: Rows by list ``(N,)``.
        ends: End of each list in ``order`` ``(K,)``.
        total: Number of rows of the index; those from N on are in no list, and always compared.
    """

    centres: NDArray[np.float32]
    order: NDArray[np.uint32]
    ends: NDArray[np.int64]
    total: int

    @property
    def usual(self) -> int:
        """How many lists a search looks into first: the root of their number, so a smaller share the more there are."""
        return max(1, round(math.sqrt(len(self.ends))))

    def probed(self, query: Tensor, *, normalized: bool, first: int | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of the nearest lists in order, of twice as many lists each time, and at last of all.

        Args:
            query: Its embedding for the task ``(D,)``.
            normalized: Whether near means a large product, else a small distance.
            first: Number of lists to begin with; None means ``usual``.
        """
        products = self.centres @ query.numpy()
        near = np.argsort(-products if normalized else np.square(self.centres).sum(axis=1) - 2 * products)
        count = first or self.usual
        starts = np.concatenate([[0], self.ends[:-1]])
        rest = np.arange(len(self.order), self.total)
        while True:
            parts = [self.order[starts[one] : self.ends[one]] for one in near[:count]]
            yield np.sort(np.concatenate([*parts, rest]).astype(np.int64))
            if count >= len(near):
                return
            count *= 2


def is_stale(facts: ListFacts, manifest: IndexManifest) -> bool:
    """Return whether lists were built of other segments, or leave out too many rows."""
    numbers = tuple(segment.number for segment in manifest.segments)
    inside = sum(segment.images for segment in manifest.segments[: len(facts.segments)])
    total = sum(segment.images for segment in manifest.segments)
    return facts.segments != numbers[: len(facts.segments)] or total - inside > STALE * total


def write_lists(folder: Path, number: int, segments: Sequence[Segment], view: TaskView) -> ListFacts:
    """Build the lists of a task and write them under a number of their own; nothing refers to them yet.

    Raises:
        IndexFault: faiss is not installed.
    """
    faiss = _faiss()
    total = sum(map(len, segments))
    sample = np.sort(np.random.default_rng(0).permutation(total)[:_SAMPLE])
    drawn = _rows_of(segments, view, sample)
    count = max(1, min(round(2 * total**0.5), len(drawn)))
    means = faiss.Kmeans(
        drawn.shape[1], count, niter=_ROUNDS, seed=1, spherical=view.normalized, min_points_per_centroid=1
    )
    means.train(drawn)
    nearest = np.concatenate(
        [means.assign(_embedded(segment, view, rows))[1] for segment in segments for rows in blocks(len(segment))]
    )
    order = np.argsort(nearest, kind="stable").astype(np.uint32)
    ends = np.cumsum(np.bincount(nearest, minlength=count)).astype(np.int64)
    for name, array in {"centres": means.centroids, "order": order, "ends": ends}.items():
        path = lists_folder(folder, number) / f"{name}.npy"
        write_atomically(path, partial(np.save, arr=array), writer=str(os.getpid()))
    return ListFacts(number=number, segments=tuple(segment.facts.number for segment in segments))


def read_lists(folder: Path, facts: ListFacts, manifest: IndexManifest) -> Lists:
    """Return lists that were written.

    Raises:
        IndexFault: A file is missing or damaged.
    """
    place = lists_folder(folder, facts.number)
    try:
        centres, order, ends = (
            np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("centres", "order", "ends")
        )
    except DAMAGE as error:
        raise IndexFault(f"{place}: cannot be read ({error}); build the lists again: --approximate") from error
    inside = sum(segment.images for segment in manifest.segments[: len(facts.segments)])
    if len(order) != inside or not len(ends) or ends[-1] != inside or centres.shape != (len(ends), manifest.size):
        raise IndexFault(f"{place}: are lists of another index; build them again: --approximate")
    return Lists(centres, order, ends, sum(segment.images for segment in manifest.segments))


def lists_folder(folder: Path, number: int) -> Path:
    """Return where the files of lists are."""
    return folder / LISTS / f"{number:06}"


def _rows_of(segments: Sequence[Segment], view: TaskView, places: NDArray[np.int64]) -> NDArray[np.float32]:
    starts = np.cumsum([0, *map(len, segments)])
    bounds = np.searchsorted(places, starts)
    parts = [
        _embedded(segment, view, places[bounds[index] : bounds[index + 1]] - starts[index])
        for index, segment in enumerate(segments)
    ]
    return np.concatenate(parts)


def _embedded(segment: Segment, view: TaskView, rows: Any) -> NDArray[np.float32]:
    found: NDArray[np.float32] = view.embeddings(segment.decoded(view.place.row, rows)).numpy()
    return np.ascontiguousarray(found)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise IndexFault(
            f"approximate search needs faiss: pip install 'modulation-study[{EXTRA}]'; exact search does not"
        ) from error
    return faiss
