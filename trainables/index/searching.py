"""Ranks the images of an index: every row is compared, and ties go to the image that was added first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainables.index.filters import Condition
from trainables.index.stored.coarse import Floats
from trainables.index.stored.segments import Mask, Segment
from trainables.index.views import TaskView

OVERFETCH = 16
"""Rows that are scored again for each that is wanted, where what is scanned is not exact."""

FEWEST_FETCHED = 256


@dataclass(frozen=True)
class Query:
    """A search: the query's embedding for each task, the tasks' weights, and what narrows it.

    ``excluded``: segment and row of the query itself, if it is in the index.
    """

    embeddings: Mapping[str, Tensor]
    weights: Mapping[str, float]
    conditions: Sequence[Condition] = ()
    excluded: tuple[Segment, int] | None = None


@dataclass(frozen=True)
class Found:
    """A row of a segment, its score, and its similarity for each task."""

    segment: Segment
    row: int
    score: float
    by_task: Mapping[str, float]


Places = NDArray[np.int64]
"""Rows of an index, counted over all of its segments."""

ByTask = Mapping[str, NDArray[np.float32]]


class Ranking(ABC):
    """Ranks rows of an index for a query; a subclass says which rows are worth it."""

    def __init__(self, segments: Sequence[Segment], views: Mapping[str, TaskView], query: Query) -> None:
        self._segments, self._views, self._query = segments, views, query
        self._starts = np.cumsum([0, *(len(segment) for segment in segments)])
        self._allowed = self._narrowed()

    def best(self, count: int) -> list[Found]:
        """Return the rows of the highest scores, best first; fewer if fewer are allowed."""
        places, by_task = self._candidates(count)
        scores = sum((weight * by_task[task] for task, weight in self._query.weights.items()), np.zeros(len(places)))
        if len(scores) > count:  # sorting thousands would take longer than comparing them
            near = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
            places, scores, by_task = places[near], scores[near], {task: found[near] for task, found in by_task.items()}
        return [
            self._found(
                int(places[one]), float(scores[one]), {task: float(found[one]) for task, found in by_task.items()}
            )
            for one in np.argsort(-scores, kind="stable")[:count]
        ]

    @abstractmethod
    def _candidates(self, count: int) -> tuple[Places, ByTask]:
        """Return places, in order, that hold the best ones, and their similarities for each task."""

    def _again(self, places: Places) -> ByTask:
        """Return the similarities of some places from the finest copy of their vectors."""
        by_task = {task: np.empty(len(places), dtype=np.float32) for task in self._query.weights}
        bounds = np.searchsorted(places, self._starts)
        for index, segment in enumerate(self._segments):
            inside = slice(bounds[index], bounds[index + 1])
            if inside.start < inside.stop:
                rows = places[inside] - self._starts[index]
                for task, found in by_task.items():
                    query = self._query.embeddings[task]
                    found[inside] = self._views[task].similarities_of(segment, query, rows)
        return by_task

    def _narrowed(self) -> Mask:
        parts: list[Mask] = []
        for segment in self._segments:
            mask = segment.alive.copy()
            for condition in self._query.conditions:
                mask &= condition.holds(segment.table)
            if self._query.excluded is not None and self._query.excluded[0] is segment:
                mask[self._query.excluded[1]] = False
            parts.append(mask)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.bool_)

    def _found(self, place: int, score: float, by_task: Mapping[str, float]) -> Found:
        index = int(np.searchsorted(self._starts, place, side="right")) - 1
        return Found(self._segments[index], place - int(self._starts[index]), score, by_task)


class Scan(Ranking):
    """Compares every row: exact.

    The best are scored again by themselves, so that a score does not depend on what is near a row in memory. Where only
    bounds of similarities are known, these are all rows that could be among the best; where what is scanned is not
    fp32, more than are wanted.
    """

    def __init__(
        self, segments: Sequence[Segment], views: Mapping[str, TaskView], query: Query, *, exact: bool = False
    ) -> None:
        """Compare; ``exact`` asks for similarities where bounds would do."""
        super().__init__(segments, views, query)
        total = int(self._starts[-1])
        self._by_task = {task: np.empty(total, dtype=np.float32) for task in query.weights}
        self._off: Floats | None = None
        for task, similarities in self._by_task.items():
            for index, segment in enumerate(segments):
                rows = slice(self._starts[index], self._starts[index + 1])
                off = views[task].similarities(segment, query.embeddings[task], similarities[rows], exact=exact)
                if off is not None:
                    self._off = np.zeros(total, dtype=np.float32) if self._off is None else self._off
                    self._off[rows] += np.float32(abs(query.weights[task])) * off

    def ranks(self, images: Sequence[tuple[Segment, int]]) -> dict[str, list[int]]:
        """Return by task the ranks, from 1, that rows would have for this task alone, by what was scanned."""
        starts = dict(zip(map(id, self._segments), self._starts, strict=False))
        places = [int(starts[id(segment)]) + row for segment, row in images]
        ranks = {}
        for task, similarities in self._by_task.items():
            allowed = similarities[self._allowed]
            ranks[task] = [1 + int((allowed > similarities[place]).sum()) for place in places]
        return ranks

    def _candidates(self, count: int) -> tuple[Places, ByTask]:
        if not all(segment.scanned == "fp32" for segment in self._segments):
            count = max(OVERFETCH * count, FEWEST_FETCHED)
        places = self._highest(count, self._off)
        return places, self._again(places)

    def _highest(self, count: int, off: Floats | None = None) -> Places:
        """Return the places of the highest scores and of all that may equal the last of them, in order."""
        count = min(count, int(np.count_nonzero(self._allowed)))
        if not count:
            return np.zeros(0, dtype=np.int64)
        scores = self._summed()
        least = scores if off is None else scores - off
        cut = np.partition(least, -count)[-count]
        most = scores if off is None else scores + off
        return np.flatnonzero((most >= cut) & self._allowed)

    def _summed(self) -> Floats:
        (first, weight), *others = self._query.weights.items()
        total = self._by_task[first]
        if weight != 1 or others:
            total = total * np.float32(weight)
        for task, weight in others:
            total += np.float32(weight) * self._by_task[task]
        if not self._allowed.all():
            total = np.where(self._allowed, total, np.float32(-np.inf))
        return total


class Probe(Ranking):
    """Compares the rows of the lists that are nearest to the query: approximate. Widens until enough are allowed."""

    def __init__(self, segments: Sequence[Segment], views: Mapping[str, TaskView], query: Query, lists: Probed) -> None:
        super().__init__(segments, views, query)
        self._lists = lists

    def _candidates(self, count: int) -> tuple[Places, ByTask]:
        wanted = min(count, int(np.count_nonzero(self._allowed)))
        for places in self._lists:
            allowed = places[self._allowed[places]]
            if len(allowed) >= wanted:
                break
        return allowed, self._again(allowed)


Probed = Iterable[Places]
"""Places in order, more each time, and all of them at last."""
