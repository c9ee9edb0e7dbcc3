"""Everything in an image that no task depends on: pose, colours, proportions, light, background, noise."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from trainables.sources.faces.attributes import Attributes
from trainables.sources.faces.canvas import Colour, Pose, mix

_SKIN = np.array([(92, 58, 42), (141, 92, 64), (186, 130, 95), (224, 172, 135), (247, 208, 182)])
_HAIR = {
    "black": (34, 29, 32),
    "brown": (104, 64, 36),
    "blond": (222, 184, 100),
    "red": (178, 74, 32),
    "grey": (176, 176, 180),
}
_SHAPES = {"round": (0.84, 0.86, 2.0), "long": (0.64, 1.04, 2.2), "square": (0.80, 0.92, 3.6)}
_AVERAGE_SHAPE = (0.76, 0.94, 2.6)


@dataclass(frozen=True)
class Scenery:
    """Background, light and camera. ``light`` is the brightness gradient from the centre to the border, (x, y)."""

    pattern: int
    colours: tuple[Colour, Colour]
    stripe_turn: float
    stripe_count: int
    light: tuple[float, float]
    exposure: float
    tint: tuple[float, float, float]
    noise: float


@dataclass(frozen=True)
class Appearance:
    """One face's distractors. Lengths are in face units; ``yaw`` moves the features sideways (head turned).

    ``exaggeration`` is that of the source, the same for all faces.
    """

    pose: Pose
    yaw: float
    skin: Colour
    hair: Colour
    clothes: Colour
    hat: Colour
    hat_style: int
    frames: Colour
    lens_style: int
    iris: Colour
    head: tuple[float, float, float]
    eye_height: float
    eye_distance: float
    eye_size: float
    gaze: tuple[float, float]
    nose: float
    mouth_height: float
    mouth_width: float
    lips: Colour
    fringe: int
    beard_length: float
    scenery: Scenery
    exaggeration: float = 1.0


class _Draws:
    """Draws of distractors, whose ranges and deviations are ``variety`` times those of plain faces."""

    def __init__(self, rng: np.random.Generator, variety: float) -> None:
        self._rng, self.variety = rng, variety
        self.random, self.integers = rng.random, rng.integers

    def uniform(self, low: float, high: float) -> float:
        off = (1 - self.variety) * (high - low) / 2  # exactly 0 for plain faces, which stay what they were
        return self._rng.uniform(low + off, max(low + off, high - off))

    def normal(self, mean: float, deviation: float) -> float:
        return self._rng.normal(mean, self.variety * deviation)


def draw_appearance(
    attributes: Attributes, rng: np.random.Generator, exaggeration: float = 1.0, variety: float = 1.0
) -> Appearance:
    """Draw the distractors of a face. They depend on the labels only where a label is a colour or a shape.

    ``variety`` scales how far everything but the labels and the hues of hats, clothes and backgrounds varies.
    """
    return _appearance(attributes, _Draws(rng, variety), exaggeration)


def _appearance(attributes: Attributes, rng: _Draws, exaggeration: float) -> Appearance:
    skin = _skin(rng)
    width, height, power = _shape(attributes.face_shape, exaggeration)
    return Appearance(
        pose=Pose(rng.normal(0, 0.16), rng.uniform(0.27, 0.36), (rng.uniform(-0.09, 0.09), rng.uniform(-0.03, 0.09))),
        yaw=float(rng.uniform(-0.16, 0.16)),
        skin=skin,
        hair=_jitter(_HAIR[attributes.hair_colour], 0.12, rng),
        clothes=_any_colour(rng),
        hat=_any_colour(rng),
        hat_style=int(rng.integers(3)),
        frames=_any_colour(rng, darkest=0.05, lightest=0.6),
        lens_style=int(rng.integers(4)),
        iris=_any_colour(rng, darkest=0.2, lightest=0.6),
        head=(width * rng.uniform(0.96, 1.04), height * rng.uniform(0.96, 1.04), power),
        eye_height=float(rng.uniform(-0.18, -0.06)),
        eye_distance=float(rng.uniform(0.27, 0.34)),
        eye_size=float(rng.uniform(0.85, 1.2)),
        gaze=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.02, 0.03))),
        nose=float(rng.uniform(0.8, 1.25)),
        mouth_height=float(rng.uniform(0.44, 0.54)),
        mouth_width=float(rng.uniform(0.26, 0.36)),
        lips=_jitter((170, 70, 75), 0.2, rng),
        fringe=int(rng.integers(3)),
        beard_length=float(rng.uniform(0.0, 0.22)),
        scenery=_scenery(rng),
        exaggeration=exaggeration,
    )


def _shape(name: str, exaggeration: float) -> tuple[float, float, float]:
    """Return half width, half height and squareness of a head, as far from the average as the exaggeration says."""
    width, height, power = (
        own + (exaggeration - 1) * (own - average) for own, average in zip(_SHAPES[name], _AVERAGE_SHAPE, strict=True)
    )
    return width, height, max(1.6, power)


def _scenery(rng: _Draws) -> Scenery:
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.35)
    red, green, blue = (rng.normal(1, 0.05) for _ in range(3))
    pattern, ground, shapes = int(rng.integers(4)), _any_colour(rng), _any_colour(rng)
    return Scenery(
        pattern=pattern,
        colours=(ground, mix(ground, shapes, rng.variety)),
        stripe_turn=float(rng.uniform(0, np.pi)),
        stripe_count=int(rng.integers(3, 8)),
        light=(float(strength * np.cos(angle)), float(strength * np.sin(angle))),
        exposure=float(rng.uniform(0.8, 1.15)),
        tint=(float(red), float(green), float(blue)),
        noise=float(rng.uniform(2, 11)),
    )


def _skin(rng: _Draws) -> Colour:
    place = rng.uniform(0, len(_SKIN) - 1)
    below = min(int(place), len(_SKIN) - 2)
    colour = _SKIN[below] + (place - below) * (_SKIN[below + 1] - _SKIN[below])
    return _jitter((int(colour[0]), int(colour[1]), int(colour[2])), 0.05, rng)


def _jitter(colour: Colour, amount: float, rng: _Draws) -> Colour:
    brightness = rng.uniform(1 - amount, 1 + amount)
    red, green, blue = (min(255, max(0, int(channel * brightness + rng.normal(0, 40 * amount)))) for channel in colour)
    return red, green, blue


def _any_colour(rng: _Draws, darkest: float = 0.25, lightest: float = 0.95) -> Colour:
    hue, saturation, value = rng.random(), rng.uniform(0.1, 0.8), rng.uniform(darkest, lightest)
    red, green, blue = (int(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue
