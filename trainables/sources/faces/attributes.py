"""The tasks of the synthetic faces and the joint distribution of their values.

Related pairs: Smiling ~ Mouth_Open; Age_Lines ~ Hair_Colour (grey) through age; Beard ~ Thick_Brows and Beard ~
Long_Hair (rarely both). Glasses, Hat and Face_Shape are independent of everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_YES_NO = ("no", "yes")

FACE_TASKS: dict[str, tuple[str, ...]] = {
    "Smiling": _YES_NO,
    "Mouth_Open": _YES_NO,
    "Glasses": _YES_NO,
    "Hat": _YES_NO,
    "Hair_Colour": ("black", "brown", "blond", "red", "grey"),
    "Face_Shape": ("round", "long", "square"),
    "Age_Lines": _YES_NO,
    "Beard": _YES_NO,
    "Long_Hair": _YES_NO,
    "Thick_Brows": _YES_NO,
}
"""Task name -> class names."""

_SHARE_OLD = 0.35
_HAIR_YOUNG = (0.28, 0.30, 0.22, 0.16, 0.04)
_HAIR_OLD = (0.10, 0.12, 0.08, 0.06, 0.64)


@dataclass(frozen=True)
class Attributes:
    """The labels of one face; fields in the order of ``FACE_TASKS``."""

    smiling: bool
    mouth_open: bool
    glasses: bool
    hat: bool
    hair_colour: str
    face_shape: str
    age_lines: bool
    beard: bool
    long_hair: bool
    thick_brows: bool

    def label(self, task: str) -> int:
        """Return the class index of this face for a task."""
        value = getattr(self, task.lower())
        return FACE_TASKS[task].index(value) if isinstance(value, str) else int(value)


def draw_attributes(rng: np.random.Generator) -> Attributes:
    """Draw the labels of one face."""
    uniform = rng.random(8)
    old = uniform[0] < _SHARE_OLD
    smiling = bool(uniform[1] < 0.5)
    beard = bool(uniform[2] < 0.35)
    hair = rng.choice(5, p=_HAIR_OLD if old else _HAIR_YOUNG)
    return Attributes(
        smiling=smiling,
        mouth_open=bool(uniform[3] < (0.72 if smiling else 0.25)),
        glasses=bool(uniform[4] < 0.4),
        hat=bool(uniform[5] < 0.35),
        hair_colour=FACE_TASKS["Hair_Colour"][hair],
        face_shape=FACE_TASKS["Face_Shape"][rng.integers(3)],
        age_lines=bool(rng.random() < (0.9 if old else 0.12)),
        beard=beard,
        long_hair=bool(uniform[6] < (0.2 if beard else 0.55)),
        thick_brows=bool(uniform[7] < (0.7 if beard else 0.3)),
    )
