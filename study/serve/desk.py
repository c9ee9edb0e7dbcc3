"""Answers questions about one index, in a few threads. All the service knows of the index is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.plain_text import shortened, visible
from study.serve.guards.observing import Observations
from study.serve.refusals import Refusal
from study.serve.schemas import (
    Channel,
    ExplainQuestion,
    ExplainReply,
    IndexedExplain,
    IndexedSearch,
    IndexReply,
    Neighbour,
    Ranking,
    Sample,
    SearchQuestion,
    SearchReply,
    TaskReply,
)
from study.serve.settings import Limits
from study.serve.turns import Turns
from study.serve.uploads import FORMATS, pixels_of_upload
from trainables.foundation.registry import nearest
from trainables.index import ImageIndex, IndexFault, InIndex, UnknownImage

SAMPLES = 12
_CHANNELS = 12

_THUMBNAIL_THREADS, _THUMBNAILS_WAITING = 2, 256

_ABOUT_QUESTIONS = ("where:", "task:", "top:")
_LONGEST_SHOWN = 80
"""Of a name that a request made up."""


class Desk:
    """The index as the service sees it."""

    def __init__(self, index: ImageIndex, limits: Limits, observations: Observations) -> None:
        self._index = index
        self._limits = limits
        self._turns = Turns(limits.searches, limits.waiting, limits.search_seconds, observations.in_progress)
        self._thumbnails = Turns(
            _THUMBNAIL_THREADS, _THUMBNAILS_WAITING, limits.search_seconds, observations.thumbnails
        )
        self._images = observations.images
        self._images.set(len(index))
        self.is_open = False

    def open(self) -> None:
        """Begin to answer."""
        self.is_open = True

    def close(self) -> None:
        """Begin no more answers."""
        self.is_open = False
        self._turns.close()
        self._thumbnails.close()

    async def describe(self) -> IndexReply:
        """Return what is searched, with images that were added or deleted since: who loads the page sees them."""
        return await self._turns.take(self._description)

    async def search(self, image: bytes, question: SearchQuestion) -> SearchReply:
        """Return the neighbours of an uploaded image.

        Raises:
            Refusal: The image or the question cannot be used, or there is too much to do.
        """
        self._check_tasks(question.rankings)
        return await self._turns.take(lambda: self._rankings(self._pixels(image), question))

    async def search_indexed(self, question: IndexedSearch) -> SearchReply:
        """Return the neighbours of an image of the index; raises as ``search``, and where the id is unknown."""
        self._check_tasks(question.rankings)
        return await self._turns.take(lambda: self._rankings(InIndex(question.query), question))

    async def explain(self, image: bytes, question: ExplainQuestion) -> ExplainReply:
        """Return what carried a match of an uploaded image; raises as ``search_indexed``."""
        self._check_tasks([question.task])
        return await self._turns.take(lambda: self._explanation(self._pixels(image), question))

    async def explain_indexed(self, question: IndexedExplain) -> ExplainReply:
        """Return what carried a match of an image of the index; raises as ``search_indexed``."""
        self._check_tasks([question.task])
        return await self._turns.take(lambda: self._explanation(InIndex(question.query), question))

    async def thumbnail(self, identity: str) -> bytes:
        """Return an image of the index as the small JPEG file that it keeps; raises as ``search_indexed``."""
        return await self._thumbnails.take(lambda: self._thumbnail(identity))

    def _check_labels(self, question: SearchQuestion) -> None:
        known = (*self._index.labels, "id")
        for condition in question.where:
            column = condition.partition("=")[0].removesuffix("!").strip()
            if column not in known:  # ``source`` among them: it may be a path of the machine
                raise Refusal(422, f"where: unknown label {_quoted(column)}{nearest(column, known)}")

    def _check_tasks(self, rankings: Sequence[str | Mapping[str, float]]) -> None:
        for ranking in rankings:
            for task in [ranking] if isinstance(ranking, str) else ranking:
                if task not in self._index.tasks:
                    raise Refusal(422, f"unknown task {_quoted(task)}{nearest(task, self._index.tasks)}")

    def _description(self) -> IndexReply:
        self._index.refresh()
        self._images.set(len(self._index))
        packed = self._index.packed
        measured = {} if packed.metrics is None else packed.metrics.tasks
        return IndexReply(
            images=len(self._index),
            tasks=[
                TaskReply(
                    name=task,
                    classes=packed.classes.get(task),
                    accuracy=measured[task].mean if task in measured else None,
                )
                for task in self._index.tasks
            ],
            samples=[Sample(id=one.id, source=shown_source(one.source)) for one in self._index.sample(SAMPLES)],
            upload_bytes=self._limits.upload_bytes,
            upload_formats=list(FORMATS),
        )

    def _thumbnail(self, identity: str) -> bytes:
        with _naming_no_path():
            return self._index.thumbnail(identity)

    def _pixels(self, image: bytes) -> NDArray[np.uint8]:
        return pixels_of_upload(image, self._index.packed.images, self._limits.pixels)

    def _rankings(self, image: Any, question: SearchQuestion) -> SearchReply:
        self._check_labels(question)
        return SearchReply(rankings=[self._ranking(image, wanted, question) for wanted in question.rankings])

    def _ranking(self, image: Any, wanted: str | Mapping[str, float], question: SearchQuestion) -> Ranking:
        weights = {wanted: 1.0} if isinstance(wanted, str) else dict(wanted)
        with _naming_no_path():
            found = self._index.search(image, weights, top=question.top, where=question.where)
        return Ranking(
            weights=weights,
            neighbours=[
                Neighbour(
                    id=match.id,
                    rank=match.rank,
                    similarity=match.similarity,
                    source=shown_source(match.source),
                    labels=dict(match.labels),
                )
                for match in found
            ],
        )

    def _explanation(self, image: Any, question: ExplainQuestion) -> ExplainReply:
        with _naming_no_path():
            found = self._index.explain(image, question.id, question.task)[:_CHANNELS]
        channels = [Channel(channel=one.channel, share=one.share, factor=one.factor) for one in found]
        return ExplainReply(task=question.task, channels=channels)


@contextmanager
def _naming_no_path() -> Iterator[None]:
    """Pass on what the index says of a question; what it says of its files is for its owner alone."""
    try:
        yield
    except UnknownImage:
        raise Refusal(404, "no image of the index has this id") from None
    except IndexFault as fault:
        line = str(fault)
        if line.startswith(_ABOUT_QUESTIONS):
            raise Refusal(422, line) from None
        raise


def shown_source(source: str) -> str:
    """Return a source without the folders above the images: an absolute path tells of the machine."""
    return PurePath(source).name if PurePath(source).is_absolute() else source


def _quoted(name: str) -> str:
    """Return a name that a request made up, as a message may repeat it."""
    return repr(shortened(visible(name), _LONGEST_SHOWN))
