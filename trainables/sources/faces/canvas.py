"""Draws in face coordinates: rotates, scales and translates points into the picture; Pillow fills the shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = NDArray[np.float64]
"""Corners of a shape, (n, 2): x to the right, y down; the face's centre is 0, its half height about 1."""

_ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_CIRCLE: Points = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


@dataclass(frozen=True)
class Pose:
    """Position and size of the face: rotation in radians; half height and centre as fractions of the picture's side."""

    turn: float
    scale: float
    shift: tuple[float, float]


class Canvas:
    """A picture of ``pixels x pixels`` with drawing methods in face coordinates."""

    def __init__(self, pixels: int, background: Colour) -> None:
        self.image = Image.new("RGB", (pixels, pixels), background)
        self._draw = ImageDraw.Draw(self.image)
        self._pixels = pixels
        self.place(Pose(0.0, 0.5, (0.0, 0.0)))

    def place(self, pose: Pose) -> None:
        """Use the coordinates of this pose for all later drawing."""
        scale = pose.scale * self._pixels
        cosine, sine = scale * np.cos(pose.turn), scale * np.sin(pose.turn)
        self._matrix = np.array([[cosine, sine], [-sine, cosine]])
        self._centre = (np.array(pose.shift) + 0.5) * self._pixels
        self._scale = scale

    def fill(self, points: Points, colour: Colour) -> None:
        """Fill the polygon."""
        self._draw.polygon(self._flat(points), fill=colour)

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Fill an ellipse whose axes rotate with the pose."""
        self.fill(_CIRCLE * radii + centre, colour)

    def ring(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour, width: float) -> None:
        """Draw the outline of an ellipse."""
        outline = _CIRCLE * radii + centre
        self.stroke(np.concatenate([outline, outline[:2]]), colour, width)

    def stroke(self, points: Points, colour: Colour, width: float) -> None:
        """Draw a line through the points, ``width`` in face units."""
        self._draw.line(self._flat(points), fill=colour, width=max(1, round(width * self._scale)), joint="curve")

    def _flat(self, points: Points) -> list[float]:
        return cast("list[float]", (points @ self._matrix + self._centre).ravel().tolist())


def arc(left: tuple[float, float], right: tuple[float, float], bend: float, count: int = 12) -> Points:
    """Return points from ``left`` to ``right`` on a parabola whose middle is ``bend`` below the straight line."""
    share = np.linspace(0, 1, count)
    x = left[0] + (right[0] - left[0]) * share
    y = left[1] + (right[1] - left[1]) * share + 4 * bend * share * (1 - share)
    return np.stack([x, y], axis=1)


def superellipse(radii: tuple[float, float], power: float, start: float = 0.0, stop: float = 2 * np.pi) -> Points:
    """Return points of ``|x/a|^power + |y/b|^power = 1`` between two angles: 2 is an ellipse, more is squarer."""
    angles = np.linspace(start, stop, 48)
    cosine, sine = np.cos(angles), np.sin(angles)
    x = radii[0] * np.sign(cosine) * np.abs(cosine) ** (2 / power)
    y = radii[1] * np.sign(sine) * np.abs(sine) ** (2 / power)
    return np.stack([x, y], axis=1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the mixture of two colours, with ``share`` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue
