"""Drawn faces as a source of images, made by the project itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field

from trainables.foundation.registry import nearest
from trainables.sources.faces.attributes import FACE_TASKS, draw_attributes
from trainables.sources.faces.generator import GENERATOR_VERSION, draw_face, face_stream
from trainables.sources.source import CorruptImage, ImageSource, Labels, Pixels, ReadRequest, SourceConfig


class GeneratedFaces(SourceConfig):
    """Drawn faces, made by the project itself . The seed is the study's ``data_seed``."""

    kind: Literal["generated"] = "generated"
    train_images: int = Field(1200, ge=1)
    validation_images: int = Field(300, ge=1)
    test_images: int = Field(400, ge=1)

    def open(self, request: ReadRequest) -> ImageSource:
        """Return the drawn faces."""
        return FaceSource(request, self)

    def count_images(self) -> int:
        """Return the images of all splits."""
        return self.train_images + self.validation_images + self.test_images

    def known_tasks(self) -> tuple[str, ...]:
        """Return everything that is drawn."""
        return tuple(FACE_TASKS)


class FaceSource(ImageSource):
    """Drawn faces as a source of images. An index means the same face however many are asked for.

    Raises:
        ValueError: a task that drawn faces do not have.
    """

    def __init__(self, request: ReadRequest, source: GeneratedFaces) -> None:
        for task in request.tasks:
            if task not in FACE_TASKS:
                raise ValueError(f"data.tasks: generated faces have no task {task!r}{nearest(task, FACE_TASKS)}")
        self._tasks = request.tasks
        self._image_size = request.image_size
        self._counts = {
            "train": source.train_images,
            "validation": source.validation_images,
            "test": source.test_images,
        }
        self._seed = request.data_seed

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide pictures and labels (``fit`` does not: the pictures are square)."""
        return {
            "kind": "generated",
            "generator": GENERATOR_VERSION,
            "image_size": self._image_size,
            "tasks": list(self._tasks),
            "images": self._counts,
            "data_seed": self._seed,
        }

    def classes(self) -> dict[str, tuple[str, ...]]:
        """Return the class names of the chosen tasks."""
        return {task: FACE_TASKS[task] for task in self._tasks}

    def labels(self, split: str) -> Labels:
        """Return the labels of a split; every face is labelled."""
        faces = (draw_attributes(face_stream(self._seed, split, row)) for row in range(self._counts[split]))
        return np.array([[face.label(task) for task in self._tasks] for face in faces], dtype=np.int64)

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Draw the faces of a split in order."""
        for row in range(self._counts[split]):
            yield draw_face(face_stream(self._seed, split, row), self._image_size)[0]
