"""An index that is open for reading: searches, explanations, thumbnails."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import pyarrow.compute as pc
import torch
from PIL import Image
from torch import Tensor

from trainables.foundation.registry import nearest
from trainables.index.errors import IndexFault, UnknownImage
from trainables.index.explaining import Channel, explain
from trainables.index.filters import Condition, Filters, check_columns, parse_filters
from trainables.index.lists import Lists, is_stale, read_lists
from trainables.index.match import Match
from trainables.index.searching import Found, Probe, Query, Ranking, Scan
from trainables.index.stored.manifest import MANIFEST, PACK, IndexManifest, read_index
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
    """An index in a folder, as it was when it was opened or last refreshed. Searches may run in several threads.

    Attributes:
        folder: Where it is.
        model: The network, from the pack in the index.
    """

    def __init__(self, folder: Path, manifest: IndexManifest, model: RetrievalModel) -> None:
        self.folder = folder
        self.model = model
        self._manifest = manifest
        self._layout = Layout(model.network, manifest.tasks)
        if (self._layout.count, model.embedding_size) != (manifest.vectors, manifest.size):
            raise IndexFault(f"{folder / MANIFEST}: vectors, size: are not those of its network; index the images anew")
        self._segments = [Segment(folder, facts, manifest) for facts in manifest.segments]
        self._views: dict[str, TaskView] = {}
        self._embedding = threading.Lock()

    @classmethod
    def open(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> Self:
        """Return an index that exists. Vectors are mapped, not read.

        Raises:
            IndexFault: The folder is no index, or a file of it is missing or damaged.
            PackError: Its network breaks a rule.
        """
        place = Path(folder).expanduser()
        manifest = read_index(place)
        return cls(place, manifest, RetrievalModel.load(place / PACK, model=manifest.model, device=device))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that can be searched by."""
        return self._manifest.tasks

    @property
    def packed(self) -> PackedModel:
        """What the pack says of the network: tasks with their classes, metrics, provenance."""
        return self.model.packed

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The parts of the index, with their tables of images."""
        return tuple(self._segments)

    @property
    def manifest(self) -> IndexManifest:
        """What the index says of itself."""
        return self._manifest

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._manifest)

    def refresh(self) -> None:
        """Show what another process has added or deleted since."""
        found = read_index(self.folder)
        known = {segment.facts.version: segment for segment in self._segments}
        segments = [known.get(facts.version) or Segment(self.folder, facts, found) for facts in found.segments]
        self._manifest, self._segments = found, segments
        self.__dict__.pop("labels", None)

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
        return self._matches(self._ranking(image, task, where, approximate=approximate).best(top))

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
        query, match = (self._embedded(one, [task])[task] for one in (image, InIndex(name)))
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
        views = {name: self._view(name) for name in weights}
        scan = Scan(tuple(self._segments), views, self._query(image, weights, where), exact=True)
        return scan.ranks([self._find(name) for name in names])

    def thumbnail(self, name: str) -> bytes:
        """Return the small copy of an image that the index keeps, a JPEG file.

        Raises:
            IndexFault: The id is unknown, or the index keeps no thumbnails.
        """
        segment, row = self._find(name)
        content = segment.thumbnail(row)
        if not content:
            raise IndexFault(f"{self.folder}: keeps no thumbnails; create it with thumbnails of at least 1 pixel")
        return content

    def image(self, name: str) -> Image.Image:
        """Return the thumbnail of an image, opened by Pillow; raises as ``thumbnail``."""
        return Image.open(io.BytesIO(self.thumbnail(name)), formats=("JPEG",))

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that searches can be narrowed by."""
        names = {name for segment in self._segments for name in segment.table.column_names if name.startswith(LABEL)}
        return tuple(sorted(name.removeprefix(LABEL) for name in names))

    def sample(self, count: int) -> tuple[Match, ...]:
        """Return images spread over the index, to begin a search with; only id, source and labels say something."""
        places = [(segment, int(row)) for segment in self._segments for row in segment.alive.nonzero()[0]]
        return self._matches([Found(*place, 0.0, {}) for place in places[:: -(-len(places) // count) or 1]])

    def _ranking(self, image: AnImage, task: Task, where: Filters, *, approximate: bool) -> Ranking:
        weights = self._weights(task)
        segments, query = tuple(self._segments), self._query(image, weights, where)
        views = {name: self._view(name) for name in weights}
        if approximate and len(weights) == 1:
            ((name, weight),) = weights.items()
            lists = self._lists(name) if weight > 0 else None
            if lists is not None:
                probed = lists.probed(query.embeddings[name], normalized=self.packed.normalize)
                return Probe(segments, views, query, probed)
        return Scan(segments, views, query)

    def _query(self, image: AnImage, weights: Mapping[str, float], where: Filters) -> Query:
        conditions = self._conditions(where)
        excluded = self._find(image.id) if isinstance(image, InIndex) else None
        return Query(self._embedded(image, tuple(weights)), weights, conditions, excluded)

    def _lists(self, task: str) -> Lists | None:
        """Return the lists of a task, None if there are none or they are stale.

        Raises:
            IndexFault: None were ever built, or a file is damaged.
        """
        facts = self._manifest.lists.get(self._layout.places[task].key)
        if facts is None:
            raise IndexFault(f"{self.folder}: has no lists for {task}; build them: modstudy index INDEX --approximate")
        return None if is_stale(facts, self._manifest) else read_lists(self.folder, facts, self._manifest)

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

    def _conditions(self, where: Filters) -> tuple[Condition, ...]:
        conditions = parse_filters(where)
        if conditions:
            check_columns(conditions, set(self.labels))
        return conditions

    def _embedded(self, image: AnImage, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Return the query's embedding for each task."""
        if isinstance(image, InIndex):
            segment, row = self._find(image.id)
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
            self._views[task] = TaskView(place, self._manifest.size, normalized=self.packed.normalize)
        return self._views[task]

    def _find(self, name: str) -> tuple[Segment, int]:
        """Return segment and row of an image."""
        for segment in self._segments:
            for row in pc.indices_nonzero(pc.equal(segment.table.column("id"), name)).to_pylist():
                if segment.alive[row]:
                    return segment, int(row)
        raise UnknownImage(f"{self.folder}: holds no image {name!r}; ids are those that a search prints")

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
