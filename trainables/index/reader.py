"""An index that is open for reading: searches, explanations, thumbnails."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import torch
from PIL import Image
from torch import Tensor

from trainables.foundation.registry import nearest
from trainables.index.errors import IndexFault
from trainables.index.explaining import Channel, explain
from trainables.index.filters import Filters, check_columns, parse_filters
from trainables.index.lists import Lists
from trainables.index.match import Match
from trainables.index.searching import Found, Probe, Query, Ranking, Scan
from trainables.index.snapshot import Snapshot
from trainables.index.stored.manifest import MANIFEST, PACK, IndexManifest
from trainables.index.stored.segments import LABEL, Segment
from trainables.index.vectors import Layout
from trainables.index.views import TaskView
from trainables.packs import RetrievalModel
from trainables.packs.images import OneImage, pixels_of
from trainables.packs.manifest import PackedModel

Task = str | Mapping[str, float]
"""A task, or several with weights, which may be negative."""


@dataclass(frozen=True)
class InIndex:
    """A query that is an image of the index, by its id."""

    id: str


AnImage: TypeAlias = "OneImage | InIndex"


class IndexReader:
    """An index in a folder, as it was when it was opened or last refreshed.

    Searches may run in several threads, also while one of them refreshes: each search is of one moment (``Snapshot``).

    Attributes:
        folder: Where it is.
        model: The network, from the pack in the index.
    """

    def __init__(self, now: Snapshot, model: RetrievalModel) -> None:
        self.folder = now.folder
        self.model = model
        self._now = now  # read once in whatever must be of one moment
        self._layout = Layout(model.network, now.manifest.tasks)
        if (self._layout.count, model.embedding_size) != (now.manifest.vectors, now.manifest.size):
            raise IndexFault(
                f"{self.folder / MANIFEST}: vectors, size: are not those of its network; index the images anew"
            )
        self._views: dict[str, TaskView] = {}
        self._embedding, self._refreshing = threading.Lock(), threading.Lock()

    @classmethod
    def open(cls, folder: str | Path, *, device: str | torch.device = "cpu", run_code: bool = False) -> Self:
        """Return an index that exists. Vectors are mapped, not read.

        Args:
            folder: The folder.
            device: On which the network computes.
            run_code: Whether a network that a study imported may be imported, as for ``RetrievalModel.load``.

        Raises:
            IndexFault: The folder is no index, or a file of it is missing or damaged.
            PackError: Its network breaks a rule.
        """
        now = Snapshot.current(Path(folder).expanduser())
        place, name = now.folder / PACK, now.manifest.model
        return cls(now, RetrievalModel.load(place, model=name, device=device, run_code=run_code))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that can be searched by."""
        return self._now.manifest.tasks

    @property
    def packed(self) -> PackedModel:
        """What the pack says of the network: tasks with their classes, metrics, provenance."""
        return self.model.packed

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The parts of the index, with their tables of images."""
        return self._now.segments

    @property
    def manifest(self) -> IndexManifest:
        """What the index says of itself."""
        return self._now.manifest

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.manifest)

    def refresh(self) -> None:
        """Show what another process has added or deleted since; searches that are under way do not see it.

        Raises:
            IndexFault: A file is missing or damaged, or another index is there now.
        """
        with self._refreshing:
            before, after = self._now, Snapshot.current(self.folder, self._now.segments)
            if before.manifest.layout != after.manifest.layout:
                raise IndexFault(f"{self.folder}: another index was written here since it was opened; open it again")
            self._now = after

    def search(
        self, image: AnImage, task: Task, *, top: int = 12, where: Filters = None, approximate: bool = False
    ) -> tuple[Match, ...]:
        """Return the images nearest to a query, nearest first. An ``InIndex`` query is not among them.

        Args:
            image: A path, the bytes of a file, an image of Pillow, an array or a tensor; or ``InIndex(id)``.
            task: A task; or several with weights, such as ``{"type": 1, "color": -0.5}``: same type, another colour.
            top: The most images to return.
            where: Conditions that must all hold, such as ``["Smiling=1", "source=shoes/*"]``.
            approximate: Whether to compare only the rows of the nearest lists (``ImageIndex.approximate``). Several
                tasks at once are always searched exactly.

        Raises:
            IndexFault: A task, label, condition, weight or id is unknown or breaks a rule.
            PackError: The query is no usable image.
        """
        if top < 1:
            raise IndexFault(f"top: should be at least 1, got {top}")
        return self._matches(self._ranking(self._now, image, task, where, approximate=approximate).best(top))

    def explain(self, image: AnImage, name: str, task: str) -> tuple[Channel, ...]:
        """Return the channels of the embedding by what they add to the similarity of a query with an image.

        Args:
            image: The query, as for ``search``.
            name: The id of the image that it is compared with.
            task: One task.

        Raises:
            IndexFault: The task or an id is unknown.
            PackError: The query is no usable image.
        """
        self._weights(task)
        now = self._now
        query, match = (self._embedded(now, one, [task])[task] for one in (image, InIndex(name)))
        return explain(query, match, self._layout.places[task].factors, normalized=self.packed.normalize)

    def ranks(
        self, image: AnImage, names: Sequence[str], tasks: Sequence[str] | None = None, *, where: Filters = None
    ) -> dict[str, list[int]]:
        """Return by task the ranks, from 1, that some images of the index have for it: how tasks differ on a query.

        Args:
            image: The query, as for ``search``.
            names: Ids of images.
            tasks: Which tasks; None means all.
            where: As for ``search``: only these images count.

        Raises:
            IndexFault: A task, a condition or an id is unknown.
            PackError: The query is no usable image.
        """
        weights = self._weights(dict.fromkeys(self.tasks if tasks is None else tasks, 1.0))
        now, views = self._now, {name: self._view(name) for name in weights}
        scan = Scan(now.segments, views, self._query(now, image, weights, where), exact=True)
        return scan.ranks([now.find(name) for name in names])

    def thumbnail(self, name: str) -> bytes:
        """Return the small copy of an image that the index keeps, a JPEG file.

        Raises:
            IndexFault: The id is unknown, or the index keeps no thumbnails.
        """
        segment, row = self._now.find(name)
        content = segment.thumbnail(row)
        if not content:
            raise IndexFault(f"{self.folder}: keeps no thumbnails; create it with thumbnails of at least 1 pixel")
        return content

    def image(self, name: str) -> Image.Image:
        """Return the thumbnail of an image, opened by Pillow; raises as ``thumbnail``."""
        return Image.open(io.BytesIO(self.thumbnail(name)), formats=("JPEG",))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that searches can be narrowed by."""
        return self._now.labels

    def sample(self, count: int) -> tuple[Match, ...]:
        """Return images spread over the index, to begin a search with; only id, source and labels say something."""
        places = [(segment, int(row)) for segment in self.segments for row in segment.alive.nonzero()[0]]
        return self._matches([Found(*place, 0.0, {}) for place in places[:: -(-len(places) // count) or 1]])

    def _ranking(self, now: Snapshot, image: AnImage, task: Task, where: Filters, *, approximate: bool) -> Ranking:
        weights = self._weights(task)
        query, views = self._query(now, image, weights, where), {name: self._view(name) for name in weights}
        if approximate and len(weights) == 1:
            ((name, weight),) = weights.items()
            lists = self._lists(now, name) if weight > 0 else None
            if lists is not None:
                probed = lists.probed(query.embeddings[name], normalized=self.packed.normalize)
                return Probe(now.segments, views, query, probed)
        return Scan(now.segments, views, query)

    def _query(self, now: Snapshot, image: AnImage, weights: Mapping[str, float], where: Filters) -> Query:
        conditions = parse_filters(where)
        if conditions:
            check_columns(conditions, set(now.labels))
        excluded = now.find(image.id) if isinstance(image, InIndex) else None
        return Query(self._embedded(now, image, tuple(weights)), weights, conditions, excluded)

    def _lists(self, now: Snapshot, task: str) -> Lists | None:
        """Return the lists of a task, None if there are none that can be used.

        Raises:
            IndexFault: None were ever built, or a file is damaged.
        """
        key = self._layout.places[task].key
        if key not in now.manifest.lists:
            raise IndexFault(f"{self.folder}: has no lists for {task}; build them: modstudy index INDEX --approximate")
        return now.lists(key)

    def _weights(self, task: Task) -> dict[str, float]:
        weights = {task: 1.0} if isinstance(task, str) else {name: float(weight) for name, weight in task.items()}
        for name, weight in weights.items():
            if name not in self.tasks:
                raise IndexFault(f"task: unknown {name!r}{nearest(name, self.tasks)}; known: {', '.join(self.tasks)}")
            if not -1e6 <= weight <= 1e6 or not weight:
                raise IndexFault(f"task: {name}: a weight should be a number other than 0, got {weight}")
        if not weights:
            raise IndexFault(f"task: name at least one; known: {', '.join(self.tasks)}")
        return weights

    def _embedded(self, now: Snapshot, image: AnImage, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Return the query's embedding for each task."""
        if isinstance(image, InIndex):
            segment, row = now.find(image.id)
            rows = slice(row, row + 1)
            stored = {name: segment.decoded(self._layout.places[name].row, rows) for name in tasks}
            return {name: self._view(name).embeddings(stored[name])[0] for name in tasks}
        pixels = list(pixels_of(image, self.packed.images))
        if len(pixels) != 1:
            raise IndexFault(f"image: a query is one image, got {len(pixels)}")
        with self._embedding:  # a network computes one batch at a time
            found = self.model.computed(iter(pixels), lambda batch: self.model.network.embed_tasks(batch, tasks))
        return dict(zip(tasks, found[0][:, 0], strict=True))

    def _view(self, task: str) -> TaskView:
        if task not in self._views:
            place = self._layout.places[task]
            self._views[task] = TaskView(place, self.manifest.size, normalized=self.packed.normalize)
        return self._views[task]

    def _matches(self, found: Sequence[Found]) -> tuple[Match, ...]:
        matches = []
        for rank, one in enumerate(found, start=1):
            row = one.segment.row(one.row)
            labels = {key.removeprefix(LABEL): text for key, text in row.items() if key.startswith(LABEL) and text}
            matches.append(Match(row["id"], rank, one.score, row["source"], labels, one.by_task))
        return tuple(matches)

    def __repr__(self) -> str:
        """Return one line."""
        return f"<index of {len(self)} images: tasks {', '.join(self.tasks)}; in {self.folder}>"
