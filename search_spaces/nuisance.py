"""Nuisance hyperparameters: those tuned with equal effort for every arm, and the ranges they are drawn from."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, RootModel, Tag, model_validator

from search_spaces.level import ByName, Flag, Level, Real, Whole, from_scientific_text


def _check_quantile(quantile: float) -> None:
    if not 0 <= quantile < 1:
        raise ValueError(f"a quantile must lie in [0, 1), got {quantile}")


def _check_bounds(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be below high, got low={low}, high={high}")
    if log and low <= 0:
        raise ValueError(f"log: true needs low above 0, got low={low}")


class FloatRange(Level):
    """Real numbers between ``low`` and ``high``, uniform on a linear or (``log``) logarithmic scale.

    Example:
        >>> round(FloatRange(low=1e-4, high=1e-2, log=True).at(0.5), 6)
        0.001

    Raises:
        ValueError: The bounds are not finite or not ordered, or ``log`` is set and ``low`` is at or below 0.
    """

    low: Real
    high: Real
    log: Flag = False

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> FloatRange:
        _check_bounds(self.low, self.high, self.log)
        return self

    def at(self, quantile: float) -> float:
        """Return the value at ``quantile`` in [0, 1) of the range."""
        _check_quantile(quantile)
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = (1 - quantile) * low + quantile * high
        return min(max(math.exp(value) if self.log else value, self.low), self.high)


class IntRange(Level):
    """Integers from ``low`` to ``high``, both inclusive.

    Example:
        >>> [IntRange(low=3, high=5).at(quantile) for quantile in (0.0, 0.5, 0.9)]
        [3, 4, 5]

    Raises:
        ValueError: The bounds are not ordered, or ``log`` is set and ``low`` is below 1.
    """

    low: Whole
    high: Whole
    log: Flag = False

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> IntRange:
        _check_bounds(self.low, self.high, self.log)
        return self

    def at(self, quantile: float) -> int:
        """Return the integer at ``quantile`` in [0, 1), uniform on a linear or (``log``) logarithmic scale."""
        _check_quantile(quantile)
        if self.log:
            low, past = math.log(self.low), math.log(self.high + 1)
            value = math.floor(math.exp((1 - quantile) * low + quantile * past))
        else:
            value = self.low + math.floor(quantile * (self.high + 1 - self.low))
        return min(max(value, self.low), self.high)


def _checked_number(value: Any) -> float | int:
    value = from_scientific_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {value!r}")  # noqa: TRY004 - pydantic reports a ValueError
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    return value


class Choice(RootModel[tuple[float | int, ...]]):
    """Two or more distinct values, all equally likely.

    Example:
        >>> Choice((16, 32)).at(0.7)
        32

    Raises:
        ValueError: There are fewer than two values, or a value is repeated or not finite.
    """

    model_config = ConfigDict(frozen=True)

    root: tuple[Annotated[float | int, BeforeValidator(_checked_number)], ...]

    @model_validator(mode="after")
    def _values_are_distinct(self) -> Choice:
        if len(self.root) < 2 or len(set(self.root)) < len(self.root):
            raise ValueError(f"expected at least two distinct values, got {list(self.root)}; one value goes in 'fixed'")
        return self

    @property
    def values(self) -> tuple[float | int, ...]:
        """The values in the order written."""
        return self.root

    def at(self, quantile: float) -> float | int:
        """Return the value at ``quantile`` in [0, 1), counting values in the order written."""
        _check_quantile(quantile)
        return self.values[min(math.floor(quantile * len(self.values)), len(self.values) - 1)]


NuisanceRange = FloatRange | IntRange | Choice
"""``{low, high, log}`` or a list of values."""


def points_in(ranges: Iterable[NuisanceRange]) -> int:
    """Return the number of distinct points in the product of the ranges; ``MANY`` if any range is continuous."""
    total = 1
    for values in ranges:
        if isinstance(values, FloatRange):
            return MANY
        total *= len(values.values) if isinstance(values, Choice) else values.high + 1 - values.low
    return total


MANY = sys.maxsize
"""Stands for an unlimited number of points."""


def _written_as(value: Any) -> str | None:
    """Return the tag of the notation in which a range is written; None if ``value`` is not a range."""
    if isinstance(value, list | tuple | Choice):
        return "list"
    return "range" if isinstance(value, Mapping | FloatRange | IntRange) else None


_SHAPE = "expected {low: .., high: .., log: ..} or a list of values; a single value goes in 'fixed'"


@dataclass(frozen=True)
class Hyperparameter:
    """A nuisance hyperparameter: the setting it controls and the values it accepts.

    Attributes:
        key: Dotted key of the trial configuration that the value replaces.
        whole: Whether values are integers; otherwise real numbers.
        minimum: The smallest value.
        above: Whether the minimum itself is excluded.
        written_as: Name in study files, if it differs from the recorded name.
    """

    key: str
    minimum: float
    whole: bool = False
    above: bool = False
    written_as: str = ""

    @property
    def range_type(self) -> Any:
        """Pydantic type of a range of the hyperparameter."""
        interval: Any = IntRange if self.whole else FloatRange
        either: Any = Annotated[interval, Tag("range")] | Annotated[Choice, Tag("list")]
        shape = Discriminator(_written_as, custom_error_type="range_shape", custom_error_message=_SHAPE)
        return Annotated[either, shape, BeforeValidator(self._of_its_numbers), AfterValidator(self._checked_range)]

    @property
    def value_type(self) -> Any:
        """Pydantic type of a single value of the hyperparameter."""
        return Annotated[Whole if self.whole else Real, AfterValidator(self._checked_value)]

    def _of_its_numbers(self, values: Any) -> Any:
        if isinstance(values, FloatRange if self.whole else IntRange):
            raise ValueError(  # noqa: TRY004 - pydantic reports a ValueError
                f"takes {'whole' if self.whole else 'real'} numbers, got {values!r}"
            )
        return values

    def _checked_range(self, values: NuisanceRange) -> NuisanceRange:
        if not isinstance(values, Choice):
            self._checked_value(values.low)
            return values
        if self.whole and not all(isinstance(value, int) for value in values.values):
            raise ValueError(f"takes whole numbers, got {list(values.values)}")
        self._checked_value(min(values.values))
        return values if self.whole else Choice(tuple(map(float, values.values)))

    def _checked_value(self, value: float) -> float:
        endless = isinstance(value, float) and not math.isfinite(value)  # whole numbers may be too large for a float
        if endless or value < self.minimum or (self.above and value == self.minimum):
            raise ValueError(f"must be {'above' if self.above else 'at least'} {self.minimum:g}, got {value}")
        return value


NUISANCE: dict[str, Hyperparameter] = {
    "learning_rate": Hyperparameter("optimization.learning_rate", minimum=0, above=True),
    "margin": Hyperparameter("loss.margin", minimum=0, above=True),
    "weight_decay": Hyperparameter("optimization.weight_decay", minimum=0),
    "images_per_batch": Hyperparameter("batches.batch_size", minimum=3, whole=True, written_as="batch_size"),
    "embedding_l2": Hyperparameter("loss.embedding_l2", minimum=0),
    "mask_l1": Hyperparameter("loss.mask_l1", minimum=0),
    "score_steps": Hyperparameter("modulation.score_steps", minimum=0, above=True),
    "rate_factor": Hyperparameter("modulation.rate_factor", minimum=0, above=True),
    "gradnorm_alpha": Hyperparameter("balancing.gradnorm_alpha", minimum=0),
}
"""The closed set of nuisance hyperparameters, by the name recorded in journals, tables and MLflow.

The last three belong to forms and a balancing method, and are tuned in their arms only."""

WRITTEN = {each.written_as or name: name for name, each in NUISANCE.items()}
"""Recorded names by names in study files."""

Ranges = Annotated[
    dict[str, NuisanceRange], ByName({name: NUISANCE[WRITTEN[name]].range_type for name in WRITTEN}, WRITTEN)
]
"""Ranges by recorded hyperparameter name, in the order of ``NUISANCE``; either name is accepted on input."""

Values = Annotated[
    dict[str, float | int], ByName({name: NUISANCE[WRITTEN[name]].value_type for name in WRITTEN}, WRITTEN)
]
"""Values by recorded hyperparameter name, in the order of ``NUISANCE``; either name is accepted on input."""
