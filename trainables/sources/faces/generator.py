"""Generates faces by number: (data_seed, split, index) determines a picture and its labels on any machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.sources.faces.appearance import Appearance, Scenery, draw_appearance
from trainables.sources.faces.attributes import Attributes, draw_attributes
from trainables.sources.faces.canvas import Canvas, Pose
from trainables.sources.faces.features import draw_age_lines, draw_eyes, draw_glasses, draw_mouth, draw_nose
from trainables.sources.faces.head import draw_beard, draw_behind_head, draw_front_hair, draw_hat, draw_head
from trainables.sources.source import SPLITS, Pixels

GENERATOR_VERSION = 2
"""Increment when a code change alters a picture or a label; part of the fingerprint of synthetic faces."""

_SUPERSAMPLING = 3


def draw_face(
    rng: np.random.Generator, image_size: int, exaggeration: float = 1.0, variety: float = 1.0
) -> tuple[Pixels, Attributes]:
    """Draw labels and distractors from ``rng`` (labels first) and return the picture (size, size, 3) and the labels."""
    attributes = draw_attributes(rng)
    look = draw_appearance(attributes, rng, exaggeration, variety)
    return render_face(attributes, look, rng, image_size), attributes


def render_face(attributes: Attributes, look: Appearance, rng: np.random.Generator, image_size: int) -> Pixels:
    """Return the picture (size, size, 3) of given labels and distractors; ``rng`` generates the camera noise."""
    canvas = Canvas(image_size * _SUPERSAMPLING, look.scenery.colours[0])
    _draw_background(canvas, look.scenery)
    canvas.place(look.pose)
    _draw_person(canvas, attributes, look)
    small = np.asarray(canvas.image.reduce(_SUPERSAMPLING), dtype=np.float32)
    return _photograph(small, look.scenery, rng)


def face_stream(seed: int, split: str, row: int) -> np.random.Generator:
    """Return the random generator of one face; it depends on the split, so that splits share no face."""
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
    """Light the picture from one side, expose and tint it, and add camera noise."""
    place = np.linspace(-1, 1, len(picture), dtype=np.float32)
    light = scenery.exposure * (1 + scenery.light[0] * place[None, :] + scenery.light[1] * place[:, None])
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(scenery.noise)
    lit = picture * light[:, :, None] * np.array(scenery.tint, dtype=np.float32) + noise
    photograph: Pixels = np.clip(lit + 0.5, 0, 255).astype(np.uint8)
    return photograph
