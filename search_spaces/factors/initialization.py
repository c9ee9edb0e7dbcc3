"""Initialization: how modulation vectors start and whether they are trained."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

from search_spaces.reading import below, boolean, located, mapping, name_among, nearest, number_text, real, refusal

InitializationKind = Literal["ones", "constant", "normal", "uniform", "disjoint", "binary"]

PARAMETERS: dict[str, tuple[str, ...]] = {
    "ones": (),
    "constant": ("value",),
    "normal": ("mean", "std"),
    "uniform": ("low", "high"),
    "disjoint": ("off",),
    "binary": ("keep",),
}
"""The numbers each kind takes, in the order of its name: ``normal(mean,std)``."""

_NAME = re.compile(r"(?P<kind>[a-z]+)(\((?P<numbers>[^()]*)\))?(?P<frozen>-frozen)?")


@dataclass(frozen=True)
class InitializationLevel:
    """How vectors start: a kind, the numbers it takes (``PARAMETERS``), and whether the vectors are trained.

    ``disjoint`` is 1 in the group's own block of channels and ``off`` elsewhere, ``binary`` 1 in a random share
    ``keep`` of a group's channels and 0 elsewhere. ``activation`` is the one that a published start goes with, or
    empty; it becomes the arm's activation and is no part of what the level is. Numbers that the kind does not take stay
    at their defaults, so two levels are equal exactly when they mean the same.

    Raises:
        ValueError: unknown kind; a number that is not finite, out of bounds or not the kind's own.
    """

    kind: InitializationKind = "ones"
    trainable: bool = True
    value: float = 1.0
    mean: float = 1.0
    std: float = 0.1
    low: float = 0.0
    high: float = 1.0
    off: float = 0.0
    keep: float = 0.5
    activation: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        name_among(self.kind, PARAMETERS, "initialization")
        own = PARAMETERS[self.kind]
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name in own and not math.isfinite(value):
                raise ValueError(f"{part.name} must be finite, got {value}")
            if part.name not in (*own, "kind", "trainable", "activation") and value != part.default:
                raise ValueError(f"{part.name!r} is not a number of kind {self.kind!r}, which takes {_taken(own)}")
        if self.std <= 0:
            raise ValueError(f"std must be above 0, got {self.std}")
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep must lie between 0 and 1, got {self.keep}")

    @property
    def name(self) -> str:
        """E.g. ``ones``, ``normal(0.9,0.7)``, ``disjoint(0)-frozen``; it reads back as the same level."""
        numbers = ",".join(number_text(getattr(self, parameter)) for parameter in PARAMETERS[self.kind])
        return self.kind + (f"({numbers})" if numbers else "") + ("" if self.trainable else "-frozen")

    @property
    def written(self) -> str:
        """The name as a study file writes it: a published name where it brings an activation, else ``name``."""
        published = (name for name, level in PUBLISHED.items() if self.activation and level == self)
        return next(published, self.name)

    @property
    def stays_non_negative(self) -> bool:
        """Whether no entry can ever be below zero, so that a ReLU on the vector does nothing."""
        lowest = {"constant": self.value, "normal": -math.inf, "uniform": self.low, "disjoint": self.off}
        return not self.trainable and lowest.get(self.kind, 0) >= 0

    def canonical(self) -> InitializationLevel:
        """Return the level under its simplest kind: a constant 1, or blocks of 1 in a sea of 1, are ``ones``."""
        if (self.kind, self.value) == ("constant", 1.0) or (self.kind, self.off) == ("disjoint", 1.0):
            return InitializationLevel(trainable=self.trainable)
        return replace(self, activation="")

    def plain(self) -> dict[str, Any]:
        """Return kind, trainable and the kind's own numbers: the mapping form of a study file."""
        numbers = {name: float(getattr(self, name)) + 0.0 for name in PARAMETERS[self.kind]}  # no -0.0, no 0 beside 0.0
        return {"kind": self.kind, "trainable": self.trainable} | numbers


def _taken(own: tuple[str, ...]) -> str:
    return ", ".join(own) or "none"


PUBLISHED: dict[str, InitializationLevel] = {
    "csn-fixed": InitializationLevel("disjoint", trainable=False, off=0.0),
    "csn-learned": InitializationLevel("normal", mean=0.9, std=0.7),
    "csn-blocks": InitializationLevel("disjoint", off=0.1),
    "astmt-uniform": InitializationLevel("uniform", low=0.0, high=1.0),
    "astmt-sigmoid": InitializationLevel("constant", value=10.0, activation="sigmoid"),
    "routing-binary": InitializationLevel("binary", trainable=False, keep=0.5),
    "piggyback-scores": InitializationLevel("constant", value=0.01, activation="threshold"),
}
"""Starts with the constants of released code, and the activation where that is part of it.

Conditional Similarity Networks (Veit et al., CVPR 2017: fixed, learned, and learned from blocks, the last also
DiscoverNet's, Ye et al. 2022), attentive single-tasking (Maninis et al., CVPR 2019), Task Routing (Strezoski et al.,
ICCV 2019) and Piggyback (Mallya et al., ECCV 2018), all as vectors on channels. The modulation module starts from
``ones``.
"""


def parse_initialization(value: Any, key: str) -> InitializationLevel:
    """Read an initialization: a published name, a level's name such as ``normal(0.9,0.7)-frozen``, or a mapping.

    Raises:
        ValueError: starts with ``key``.
    """
    if isinstance(value, str):
        return PUBLISHED[value] if value in PUBLISHED else _parse_name(value, key)
    every = ["kind", "trainable", *(number for numbers in PARAMETERS.values() for number in numbers)]
    values = mapping(value, every, key)
    if "kind" not in values:
        raise refusal(below(key, "kind"), f"missing; one of {', '.join(PARAMETERS)}")
    with located(below(key, "kind")):
        kind = name_among(values.pop("kind"), PARAMETERS, "initialization")
    trainable = boolean(values.pop("trainable", True), below(key, "trainable"))
    for name in values:
        if name not in PARAMETERS[kind]:
            rule = f"is not a number of kind {kind!r}, which takes {_taken(PARAMETERS[kind])}"
            raise refusal(below(key, name), f"{name!r} {rule}")
    numbers = {name: real(number, below(key, name)) for name, number in values.items()}
    return _level(kind, trainable, numbers, key)


def _parse_name(text: str, key: str) -> InitializationLevel:
    match = _NAME.fullmatch(text)
    kind = match["kind"] if match else text
    if match is None or kind not in PARAMETERS:
        raise refusal(key, f"unknown initialization {text!r}{nearest(kind, [*PARAMETERS, *PUBLISHED])}")
    own = PARAMETERS[kind]
    written = [part.strip() for part in match["numbers"].split(",")] if match["numbers"] else []
    if written and len(written) != len(own):
        raise refusal(key, f"{kind!r} takes the numbers {_taken(own)}, got {text!r}")
    try:
        numbers = {name: float(part) for name, part in zip(own, written, strict=False)}
    except ValueError:
        raise refusal(key, f"expected numbers in brackets, got {text!r}") from None
    return _level(kind, match["frozen"] is None, numbers, key)


def _level(kind: str, trainable: bool, numbers: dict[str, Any], key: str) -> InitializationLevel:
    with located(key):
        return InitializationLevel(cast("InitializationKind", kind), trainable, **numbers)
