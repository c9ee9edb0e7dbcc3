"""Nuisance: the hyperparameters tuned with equal effort for every arm, and the ranges they are drawn from."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from search_spaces.reading import below, boolean, integer, located, mapping, name_among, real, refusal, sequence


def _check_quantile(quantile: float) -> None:
    if not 0 <= quantile < 1:
        raise ValueError(f"a quantile must lie in [0, 1), got {quantile}")


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"low and high must be finite, got low={low}, high={high}")
    if low >= high:
        raise ValueError(f"low must be below high, got low={low}, high={high}")
    if log and low <= 0:
        raise ValueError(f"log: true needs low above 0, got low={low}")


@dataclass(frozen=True)
class FloatRange:
    """Real numbers between ``low`` and ``high``, evenly spread over them or (``log``) over their logarithms.

    Raises:
        ValueError: bounds not finite or not ordered, or ``log`` with ``low`` at or below 0.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def at(self, quantile: float) -> float:
        """Return the value below which a share ``quantile`` in [0, 1) of the range lies."""
        _check_quantile(quantile)
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = (1 - quantile) * low + quantile * high
        return min(max(math.exp(value) if self.log else value, self.low), self.high)

    def plain(self) -> dict[str, Any]:
        """Return the range as it is written in a study file."""
        return {"low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from ``low`` to ``high``, both included.

    Raises:
        ValueError: bounds not ordered, or ``log`` with ``low`` below 1.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def at(self, quantile: float) -> int:
        """Return the whole number at ``quantile`` in [0, 1): each has an even share, or one even in logarithms."""
        _check_quantile(quantile)
        if self.log:
            low, past = math.log(self.low), math.log(self.high + 1)
            value = math.floor(math.exp((1 - quantile) * low + quantile * past))
        else:
            value = self.low + math.floor(quantile * (self.high + 1 - self.low))
        return min(max(value, self.low), self.high)

    def plain(self) -> dict[str, Any]:
        """Return the range as it is written in a study file."""
        return {"low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True)
class Choice:
    """Two or more distinct values, each with an even share.

    Raises:
        ValueError: fewer than two values, a value twice, or one that is not finite.
    """

    values: tuple[float | int, ...]

    def __post_init__(self) -> None:
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            raise ValueError(
                f"expected at least two distinct values, got {list(self.values)}; one value goes in 'fixed'"
            )
        if not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"values must be finite, got {list(self.values)}")

    def at(self, quantile: float) -> float | int:
        """Return the value at ``quantile`` in [0, 1), in the order written."""
        _check_quantile(quantile)
        return self.values[min(math.floor(quantile * len(self.values)), len(self.values) - 1)]

    def plain(self) -> list[float | int]:
        """Return the values as they are written in a study file."""
        return list(self.values)


NuisanceRange = FloatRange | IntRange | Choice


def points_in(ranges: Iterable[NuisanceRange]) -> int:
    """Return how many distinct points the product of the ranges holds; ``MANY`` where there is no end to them."""
    total = 1
    for values in ranges:
        if isinstance(values, FloatRange):
            return MANY
        total *= len(values.values) if isinstance(values, Choice) else values.high + 1 - values.low
    return total


MANY = sys.maxsize
"""More points than anybody draws."""


@dataclass(frozen=True)
class NuisanceRule:
    """What values of a nuisance hyperparameter make sense: whole numbers or real ones, and the smallest of them."""

    whole: bool
    minimum: float
    above: bool = False  # the minimum itself is refused

    def check(self, values: NuisanceRange | float) -> None:
        """Refuse values of the wrong type or below the minimum.

        Raises:
            ValueError: says the rule and the value.
        """
        if isinstance(values, FloatRange | IntRange):
            whole, lowest = isinstance(values, IntRange), values.low
        else:
            candidates = values.values if isinstance(values, Choice) else (values,)
            whole, lowest = all(type(value) is int for value in candidates), min(candidates)
        if self.whole and not whole:
            raise ValueError(f"takes whole numbers, got {values}")
        if not self.whole and isinstance(values, IntRange):
            raise ValueError(f"takes real numbers, got {values}")
        if not math.isfinite(lowest) or lowest < self.minimum or (self.above and lowest == self.minimum):
            raise ValueError(f"must be {'above' if self.above else 'at least'} {self.minimum:g}, got {lowest}")


NUISANCE: dict[str, NuisanceRule] = {
    "learning_rate": NuisanceRule(whole=False, minimum=0, above=True),
    "margin": NuisanceRule(whole=False, minimum=0, above=True),
    "weight_decay": NuisanceRule(whole=False, minimum=0),
    "images_per_batch": NuisanceRule(whole=True, minimum=3),
    "embedding_l2": NuisanceRule(whole=False, minimum=0),
    "mask_l1": NuisanceRule(whole=False, minimum=0),
}
"""The closed set of nuisance hyperparameters."""


def check_nuisance(name: str, values: NuisanceRange | float) -> None:
    """Refuse an unknown name, or values that the named hyperparameter cannot take.

    Raises:
        ValueError: the message says which.
    """
    NUISANCE[name_among(name, NUISANCE, "nuisance hyperparameter")].check(values)


def parse_range(name: str, value: Any, key: str) -> NuisanceRange:
    """Read the range of the known hyperparameter ``name``: ``{low, high, log}`` or a list of values.

    Raises:
        ValueError: starts with ``key``.
    """
    if not isinstance(value, dict | list | tuple):
        rule = "expected {low: .., high: .., log: ..} or a list of values"
        raise refusal(key, f"{rule}, got {value!r}; a single value goes in 'fixed'")
    if not isinstance(value, dict):
        written = sequence(value, key)
        items = tuple(parse_value(name, item, f"{key}[{index}]") for index, item in enumerate(written))
        with located(key):
            return Choice(items)
    values = mapping(value, ("low", "high", "log"), key)
    for bound in ("low", "high"):
        if bound not in values:
            raise refusal(below(key, bound), "missing; a range needs low and high")
    log = boolean(values.get("log", False), below(key, "log"))
    low, high = (parse_value(name, values[bound], below(key, bound)) for bound in ("low", "high"))
    with located(key):
        return IntRange(int(low), int(high), log) if NUISANCE[name].whole else FloatRange(low, high, log)


def parse_value(name: str, value: Any, key: str) -> float | int:
    """Read one value of the known hyperparameter ``name``.

    Raises:
        ValueError: starts with ``key``.
    """
    return integer(value, key) if NUISANCE[name].whole else real(value, key)
