"""The small shapes of a face: wrinkles, nose, mouth, eyes, brows, glasses."""

from __future__ import annotations

import numpy as np

from trainables.sources.faces.appearance import Appearance
from trainables.sources.faces.attributes import Attributes
from trainables.sources.faces.canvas import Canvas, arc, mix, shade

_TEETH = (238, 234, 225)
_EYE_WHITE = (240, 238, 234)
_THROAT = (70, 20, 26)
_INK = (26, 22, 24)
_BELOW = np.array([0.0, 0.045])


def draw_age_lines(canvas: Canvas, look: Appearance) -> None:
    """Draw wrinkles on the forehead, bags under the eyes, and folds from the nose to the mouth's corners."""
    x, eyes, strength = look.yaw, look.eye_height, look.exaggeration
    folds = [arc((x - 0.34, y), (x + 0.34, y), -0.05) for y in (eyes - 0.38, eyes - 0.52)]
    for side in (-1, 1):
        centre = x + side * look.eye_distance
        folds.append(arc((centre - 0.15, eyes + 0.18), (centre + 0.15, eyes + 0.18), 0.08))
        corner = x + side * (look.mouth_width + 0.12)
        folds.append(arc((x + side * 0.17, 0.2), (corner, look.mouth_height), -0.03))
    # A shadow alone would not show on dark skin, so each fold also has a highlight below it.
    for fold in folds:
        canvas.stroke(fold + _BELOW, mix(look.skin, (255, 255, 255), 0.2), 0.04 * strength)
        canvas.stroke(fold, shade(look.skin, 0.55**strength), 0.045 * strength)


def draw_nose(canvas: Canvas, look: Appearance) -> None:
    """Draw the nose's shadow, shifted in the direction in which the head is turned."""
    x, size = look.yaw * 1.3, look.nose
    canvas.ellipse((x, 0.2), (0.13 * size, 0.085 * size), shade(look.skin, 0.8))
    canvas.ellipse((x - 0.015, 0.175), (0.1 * size, 0.075 * size), mix(look.skin, (255, 255, 255), 0.12))


def draw_mouth(canvas: Canvas, attributes: Attributes, look: Appearance) -> None:
    """Draw the mouth: corners up for a smile, level or down otherwise; open with teeth and throat, or one line."""
    x, y, strength = look.yaw, look.mouth_height, look.exaggeration
    half = look.mouth_width * (1.15 if attributes.smiling else 0.92)
    bend = (0.17 if attributes.smiling else -0.04 * strength) * strength
    lift = y - bend / 2
    left, right = (x - half, lift), (x + half, lift)
    if not attributes.mouth_open:
        canvas.stroke(arc(left, right, bend), shade(look.lips, 0.8), 0.085 * strength)
        return
    depth = (0.17 if attributes.smiling else 0.24) * strength**0.5
    top = arc(left, right, bend * 0.45 - (0 if attributes.smiling else 0.06))
    lower = arc(right, left, bend + depth)
    canvas.fill(np.concatenate([top, lower]), _THROAT)
    teeth = arc((right[0] - 0.06, lift + 0.015), (left[0] + 0.06, lift + 0.015), bend * 0.45 + 0.07)
    canvas.fill(np.concatenate([top, teeth]), _TEETH)
    canvas.stroke(np.concatenate([top, lower]), look.lips, 0.06)


def draw_eyes(canvas: Canvas, attributes: Attributes, look: Appearance) -> None:
    """Draw the eyes, with a random gaze, and the brows above them."""
    y = look.eye_height
    for side in (-1, 1):
        # The eye on the far side of a turned head looks narrower.
        narrow = 1 - 0.8 * max(0.0, side * look.yaw)
        x = look.yaw + side * look.eye_distance
        radii = (0.15 * look.eye_size * narrow, 0.095 * look.eye_size)
        canvas.ellipse((x, y), radii, _EYE_WHITE)
        pupil = (x + look.gaze[0], y + look.gaze[1])
        canvas.ellipse(pupil, (0.075 * narrow, 0.08), look.iris)
        canvas.ellipse(pupil, (0.04 * narrow, 0.045), _INK)
        canvas.stroke(arc((x - radii[0], y), (x + radii[0], y), -radii[1]), shade(look.skin, 0.45), 0.035)
        brow = arc((x - 0.19 * narrow, y - 0.22), (x + 0.19 * narrow, y - 0.22), -0.06)
        # Much darker than the hair: light brows would match many skin colours.
        canvas.stroke(brow, shade(look.hair, 0.42), 0.14 if attributes.thick_brows else 0.04)


def draw_glasses(canvas: Canvas, look: Appearance) -> None:
    """Draw round or square frames; one of the four styles has dark lenses."""
    y, strength = look.eye_height + 0.02, look.exaggeration
    radii = (look.eye_distance * 0.82, 0.2)
    for side in (-1, 1):
        centre = (look.yaw + side * look.eye_distance, y)
        if look.lens_style == 3:
            canvas.ellipse(centre, radii, shade(look.frames, 0.5))
        if look.lens_style == 1:
            corners = np.array([(-1, -0.9), (1, -0.9), (0.9, 0.9), (-0.9, 0.9), (-1, -0.9), (1, -0.9)])
            canvas.stroke(corners * radii + centre, look.frames, 0.055 * strength)
        else:
            canvas.ring(centre, radii, look.frames, 0.055 * strength)
        edge = look.yaw + side * (look.eye_distance + radii[0])
        canvas.stroke(np.array([(edge, y), (side * look.head[0] * 0.98, y - 0.06)]), look.frames, 0.05 * strength)
    inner = look.eye_distance - radii[0]
    canvas.stroke(arc((look.yaw - inner, y), (look.yaw + inner, y), -0.04), look.frames, 0.05 * strength)
