"""The large shapes of a face: shoulders, hair, head, beard, hat."""

from __future__ import annotations

import numpy as np

from trainables.sources.faces.appearance import Appearance
from trainables.sources.faces.attributes import Attributes
from trainables.sources.faces.canvas import Canvas, arc, mix, shade, superellipse


def draw_behind_head(canvas: Canvas, attributes: Attributes, look: Appearance) -> None:
    """Draw what is behind the head: shoulders, neck and hair."""
    width, height, _ = look.head
    canvas.ellipse((0, height + 0.95), (1.25, 0.72), look.clothes)
    if attributes.long_hair:
        outline = np.array([(-1.22, 0.0), (-1.3, 1.25), (-0.7, 1.42), (0.7, 1.42), (1.3, 1.25), (1.22, 0.0)])
        canvas.fill(outline * (width, 1), look.hair)
        canvas.ellipse((0, -0.1), (width * 1.22, height * 1.1), look.hair)
    else:
        canvas.ellipse((0, -0.14 * height), (width * 1.14, height * 0.98), look.hair)
    neck = np.array([(-0.34, 0.5), (-0.38, height + 0.38), (0.38, height + 0.38), (0.34, 0.5)])
    canvas.fill(neck, shade(look.skin, 0.82))


def draw_head(canvas: Canvas, attributes: Attributes, look: Appearance) -> None:
    """Draw the ears and the outline of the face."""
    width, height, power = look.head
    for side in (-1, 1):
        if not attributes.long_hair:
            canvas.ellipse((side * width, 0.05), (0.13, 0.2), shade(look.skin, 0.9))
    canvas.fill(superellipse((width, height), power), look.skin)


def draw_beard(canvas: Canvas, look: Appearance) -> None:
    """Draw a full beard: the lower part of the head's outline, a little longer, with a moustache."""
    width, height, power = look.head
    colour = shade(look.hair, 0.85)
    jaw = superellipse((width * 1.0, height + look.beard_length), power, 0.12, np.pi - 0.12)
    upper = arc((-width * 0.9, 0.2), (width * 0.9, 0.2), 0.2)
    canvas.fill(np.concatenate([jaw, upper]), colour)
    x, y = look.yaw, look.mouth_height
    canvas.fill(np.concatenate([arc((x - 0.42, y + 0.06), (x + 0.42, y + 0.06), -0.3), [(x, y + 0.1)]]), colour)


def draw_front_hair(canvas: Canvas, look: Appearance) -> None:
    """Draw the hair over the forehead: an even fringe, a side parting, or a pointed hairline."""
    width, height, power = look.head
    # The crown follows the outline of the head, so that no skin shows above the hair.
    crown = superellipse((width * 1.06, height * 1.08), power, np.pi * 1.06, np.pi * 1.94)
    left, right = (crown[0][0], crown[0][1]), (crown[-1][0], crown[-1][1])
    line = -0.62 * height
    if look.fringe == 0:
        edge = arc((right[0] * 0.96, line), (left[0] * 0.96, line), -0.06)
    elif look.fringe == 1:
        edge = np.array([(right[0] * 0.95, line + 0.14), (0.35 * width, line - 0.14), (left[0] * 0.95, line + 0.1)])
    else:
        edge = np.array(
            [(right[0] * 0.9, line), (0.4, line - 0.12), (0, line + 0.08), (-0.4, line - 0.12), (left[0] * 0.9, line)]
        )
    canvas.fill(np.concatenate([crown, edge]), look.hair)
    canvas.stroke(crown[8:-8] * (0.85, 0.9), mix(look.hair, (255, 255, 255), 0.14), 0.05)


def draw_hat(canvas: Canvas, look: Appearance) -> None:
    """Draw a woolly hat, a hat with a brim, or a cap."""
    width, height, power = look.head
    base = -0.6 * height
    dome = superellipse((width * 1.1, height * 0.72), max(power, 2.4), np.pi, 2 * np.pi)
    dome[:, 1] += base
    dark = shade(look.hat, 0.72)
    if look.hat_style == 0:
        canvas.fill(dome, look.hat)
        band = np.array([(-1.14, base - 0.2), (1.14, base - 0.2), (1.14, base + 0.1), (-1.14, base + 0.1)])
        canvas.fill(band * (width, 1), dark)
    elif look.hat_style == 1:
        crown = np.array([(-0.92, base), (-0.8, base - 0.72), (0.8, base - 0.72), (0.92, base)])
        canvas.fill(crown * (width, 1), look.hat)
        canvas.fill(np.array([(-0.92, base), (-0.9, base - 0.18), (0.9, base - 0.18), (0.92, base)]) * (width, 1), dark)
        canvas.ellipse((0, base), (width * 1.55, 0.13), look.hat)
    else:
        canvas.fill(dome, look.hat)
        side = 1 if look.yaw >= 0 else -1
        canvas.ellipse((side * 0.55 * width, base + 0.02), (width * 0.95, 0.14), dark)
