"""Faces by number: (data_seed, split, index) decides one picture and its labels, on every machine alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainables.config.trial import DataConfig
from trainables.foundation.names import nearest
from trainables.sources.builtin import GeneratedFaces
from trainables.sources.faces.appearance import Appearance, Scenery, draw_appearance
from trainables.sources.faces.attributes import FACE_TASKS, Attributes, draw_attributes
from trainables.sources.faces.canvas import Canvas, Pose
from trainables.sources.faces.features import draw_age_lines, draw_eyes, draw_glasses, draw_mouth, draw_nose
from trainables.sources.faces.head import draw_beard, draw_behind_head, draw_front_hair, draw_hat, draw_head
from trainables.sources.source import SPLITS, CorruptImage, ImageSource, Labels, Pixels

GENERATOR_VERSION = 2
"""Raised whenever a change here changes a picture or a label; part of the fingerprint of drawn faces."""

_SUPERSAMPLING = 3


class FaceSource(ImageSource):
    """Drawn faces as a source of images. An index means the same face however many are asked for.

    Raises:
        ValueError: a task that drawn faces do not have.
    """

    def __init__(self, data: DataConfig, source: GeneratedFaces, data_seed: int) -> None:
        for task in data.tasks:
            if task not in FACE_TASKS:
                raise ValueError(f"data.tasks: generated faces have no task {task!r}{nearest(task, FACE_TASKS)}")
        self._tasks = data.tasks
        self._image_size = data.image_size
        self._counts = {
            "train": source.train_images,
            "validation": source.validation_images,
            "test": source.test_images,
        }
        self._seed = data_seed

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
        faces = (draw_attributes(_random_stream(self._seed, split, row)) for row in range(self._counts[split]))
        return np.array([[face.label(task) for task in self._tasks] for face in faces], dtype=np.int64)

    def images(self, split: str) -> Iterator[Pixels | CorruptImage]:
        """Draw the faces of a split in order."""
        for row in range(self._counts[split]):
            yield draw_face(_random_stream(self._seed, split, row), self._image_size)[0]


def draw_face(rng: np.random.Generator, image_size: int) -> tuple[Pixels, Attributes]:
    """Draw labels and distractors from ``rng`` (labels first) and return the picture (size, size, 3) and the labels."""
    attributes = draw_attributes(rng)
    return render_face(attributes, draw_appearance(attributes, rng), rng, image_size), attributes


def render_face(attributes: Attributes, look: Appearance, rng: np.random.Generator, image_size: int) -> Pixels:
    """Return the picture (size, size, 3) of given labels and distractors; ``rng`` makes the camera's noise."""
    canvas = Canvas(image_size * _SUPERSAMPLING, look.scenery.colours[0])
    _draw_background(canvas, look.scenery)
    canvas.place(look.pose)
    _draw_person(canvas, attributes, look)
    small = np.asarray(canvas.image.reduce(_SUPERSAMPLING), dtype=np.float32)
    return _photograph(small, look.scenery, rng)


def _random_stream(seed: int, split: str, row: int) -> np.random.Generator:
    """Return the random numbers of one face; the split takes part, so that splits share no face."""
    return np.random.default_rng((seed, SPLITS.index(split), row))


def _draw_background(canvas: Canvas, scenery: Scenery) -> None:
    if scenery.pattern == 0:
        return
    canvas.place(Pose(scenery.stripe_turn, 0.5, (0.0, 0.0)))
    step = 4 / scenery.stripe_count
    for index in range(scenery.stripe_count):
        middle = -2 + step * (index + 0.5)
        if scenery.pattern == 3:
            canvas.ellipse((middle / 2, np.sin(5 * middle)), (step / 3, step / 3), scenery.colours[1])
        else:
            reach = step / (4 if scenery.pattern == 1 else 8)
            corners = [(-2, middle - reach), (2, middle - reach), (2, middle + reach), (-2, middle + reach)]
            canvas.fill(np.array(corners), scenery.colours[1])


def _draw_person(canvas: Canvas, attributes: Attributes, look: Appearance) -> None:
    draw_behind_head(canvas, attributes, look)
    draw_head(canvas, attributes, look)
    if attributes.beard:
        draw_beard(canvas, look)
    if attributes.age_lines:
        draw_age_lines(canvas, look)
    draw_nose(canvas, look)
    draw_mouth(canvas, attributes, look)
    draw_eyes(canvas, attributes, look)
    if attributes.glasses:
        draw_glasses(canvas, look)
    draw_front_hair(canvas, look)
    if attributes.hat:
        draw_hat(canvas, look)


def _photograph(picture: np.ndarray[Any, np.dtype[np.float32]], scenery: Scenery, rng: np.random.Generator) -> Pixels:
    """Light the picture from one side, expose and tint it, and add the camera's noise."""
    place = np.linspace(-1, 1, len(picture), dtype=np.float32)
    light = scenery.exposure * (1 + scenery.light[0] * place[None, :] + scenery.light[1] * place[:, None])
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(scenery.noise)
    lit = picture * light[:, :, None] * np.array(scenery.tint, dtype=np.float32) + noise
    photograph: Pixels = np.clip(lit + 0.5, 0, 255).astype(np.uint8)
    return photograph
