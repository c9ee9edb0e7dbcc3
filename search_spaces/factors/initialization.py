"""Initialization: the start values of modulation vectors and whether they are trained. One class per kind of start."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, model_serializer, model_validator

from search_spaces.factors.forms import Activation
from search_spaces.level import Flag, Level, Real
from search_spaces.names import nearest, number_text

_NAME = re.compile(r"(?P<kind>[a-z]+)(\((?P<numbers>[^()]*)\))?(?P<frozen>-frozen)?")


class Start(Level):
    """How vectors are initialized: a kind, its numbers, and whether the vectors are trained.

    Attributes:
        kind: Name of the kind.
        trainable: Whether the vectors are trained.
        activation: The activation that belongs to a published start, used by the arm in place of the block's
            activation; None keeps that of the block.
    """

    kind: str
    trainable: Flag = True
    activation: Activation | None = None

    @classmethod
    def numbers(cls) -> tuple[str, ...]:
        """Return the names of the kind's numbers, in the order in which its name lists them: ``normal(mean,std)``."""
        return tuple(name for name in cls.model_fields if name not in Start.model_fields)

    @property
    def name(self) -> str:
        """E.g. ``ones``, ``normal(0.9,0.7)``, ``disjoint(0)-frozen``; parses back to the same level."""
        numbers = ",".join(number_text(getattr(self, name)) for name in self.numbers())
        return self.kind + (f"({numbers})" if numbers else "") + ("" if self.trainable else "-frozen")

    @property
    def lowest(self) -> float:
        """Lower bound of the start values."""
        return 0.0

    @property
    def stays_non_negative(self) -> bool:
        """Whether no entry can ever be negative, so that a ReLU on the vector has no effect."""
        return not self.trainable and self.lowest >= 0

    def canonical(self) -> Start:
        """Return the start as its simplest kind and without an activation."""
        return self.model_copy(update={"activation": None})

    def to_dict(self) -> dict[str, Any]:
        """Return ``kind``, ``trainable`` and the kind's numbers: the mapping form used in study files."""
        return {"kind": self.kind, "trainable": self.trainable} | {name: getattr(self, name) for name in self.numbers()}

    @model_serializer(mode="plain")
    def _written(self) -> str | dict[str, Any]:
        """Return the start as written in a study file: its name if that is unambiguous, else a mapping."""
        if self.activation is None:
            return self.name
        published = next((name for name, level in PUBLISHED.items() if level == self), None)
        return published or self.to_dict() | {"activation": self.activation}


class Ones(Start):
    """Every entry is 1, so that the network starts as the shared network.

    Example:
        >>> Ones(trainable=False).name
        'ones-frozen'
    """

    kind: Literal["ones"] = "ones"


class Constant(Start):
    """Every entry is ``value``.

    Example:
        >>> Constant(value=0.5).name
        'constant(0.5)'
    """

    kind: Literal["constant"] = "constant"
    value: Real = 1.0

    @property
    def lowest(self) -> float:
        """The value itself."""
        return self.value

    def canonical(self) -> Start:
        """Return the start as its simplest kind: a constant 1 becomes ``ones``."""
        return Ones(trainable=self.trainable) if self.value == 1 else super().canonical()


class Normal(Start):
    """Entries are drawn from a normal distribution.

    Example:
        >>> Normal(mean=0.9, std=0.7).name
        'normal(0.9,0.7)'
    """

    kind: Literal["normal"] = "normal"
    mean: Real = 1.0
    std: Annotated[Real, Field(gt=0)] = 0.1

    @property
    def lowest(self) -> float:
        """Minus infinity, since draws are unbounded."""
        return -math.inf


class Uniform(Start):
    """Entries are drawn uniformly between ``low`` and ``high``.

    Example:
        >>> Uniform(low=0, high=1).name
        'uniform(0,1)'
    """

    kind: Literal["uniform"] = "uniform"
    low: Real = 0.0
    high: Real = 1.0

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Uniform:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}")
        return self

    @property
    def lowest(self) -> float:
        """The lower bound."""
        return self.low


class Disjoint(Start):
    """1 in the group's own block of channels and ``off`` elsewhere.

    Example:
        >>> Disjoint(off=0.1).name
        'disjoint(0.1)'
    """

    kind: Literal["disjoint"] = "disjoint"
    off: Real = 0.0

    @property
    def lowest(self) -> float:
        """The value outside the block."""
        return self.off

    def canonical(self) -> Start:
        """Return the start as its simplest kind: ``off`` = 1 becomes ``ones``."""
        return Ones(trainable=self.trainable) if self.off == 1 else super().canonical()


class Binary(Start):
    """1 in a random fraction ``keep`` of a group's channels and 0 elsewhere.

    Example:
        >>> Binary(keep=0.5, trainable=False).name
        'binary(0.5)-frozen'
    """

    kind: Literal["binary"] = "binary"
    keep: Annotated[Real, Field(gt=0, lt=1)] = 0.5


KINDS: dict[str, type[Start]] = {
    "ones": Ones,
    "constant": Constant,
    "normal": Normal,
    "uniform": Uniform,
    "disjoint": Disjoint,
    "binary": Binary,
}
"""Every kind of start by name."""


def _read_name(value: Any) -> Any:
    """Convert a name to the input of the kind's class; mappings and starts pass through unchanged."""
    if isinstance(value, Mapping | Start):
        return value
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic reports a ValueError
            f"expected a name such as normal(0.9,0.7), or a mapping with a kind, got {value!r}"
        )
    if value in PUBLISHED:
        return PUBLISHED[value]
    match = _NAME.fullmatch(value)
    kind = match["kind"] if match else value
    if match is None or kind not in KINDS:
        raise ValueError(f"unknown initialization {value!r}{nearest(kind, [*KINDS, *PUBLISHED])}")
    own = KINDS[kind].numbers()
    written = [part.strip() for part in match["numbers"].split(",")] if match["numbers"] else []
    if written and len(written) != len(own):
        raise ValueError(f"{kind!r} takes the numbers {', '.join(own) or 'none'}, got {value!r}")
    try:
        numbers = {name: float(part) for name, part in zip(own, written, strict=False)}
    except ValueError:
        raise ValueError(f"expected numbers in brackets, got {value!r}") from None
    return {"kind": kind, "trainable": match["frozen"] is None, **numbers}


Initialization = Annotated[
    Annotated[Ones | Constant | Normal | Uniform | Disjoint | Binary, Field(discriminator="kind")],
    BeforeValidator(_read_name),
]
"""A start: a published name, a name such as ``normal(0.9,0.7)-frozen``, a mapping with a ``kind``, or an instance."""

INITIALIZATION: TypeAdapter[Start] = TypeAdapter(Initialization)

PUBLISHED: dict[str, Start] = {
    "csn-fixed": Disjoint(off=0.0, trainable=False),
    "csn-learned": Normal(mean=0.9, std=0.7),
    "csn-blocks": Disjoint(off=0.1),
    "astmt-uniform": Uniform(low=0.0, high=1.0),
    "astmt-sigmoid": Constant(value=10.0, activation="sigmoid"),
    "routing-binary": Binary(keep=0.5, trainable=False),
    "piggyback-scores": Constant(value=0.01, activation="threshold"),
}
"""Starts with the constants of released code, and with its activation where that is part of the method.

Conditional Similarity Networks (Veit et al., CVPR 2017: fixed, learned, and learned from blocks; DiscoverNet, Ye et al.
2022, also uses the last), attentive single-tasking (Maninis et al., CVPR 2019), Task Routing (Strezoski et al., ICCV
2019) and Piggyback (Mallya et al., ECCV 2018), all as channel vectors. The modulation module starts from ``ones``.
"""
