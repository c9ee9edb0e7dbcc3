"""A logarithmic axis of counts with room for zero, left of a visible break."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray

_MARGIN = 0.3
"""Decades beside the outermost counts."""

_ZERO_GAP = 0.45
"""Decades between the band of zero and the smallest positive count's margin."""

_ZERO_BAND = (0.6, 0.035)
"""Width of the band of zero: at least, in decades, and for every count of zero, as a share of the positive decades."""

_SIDE_BY_SIDE = 0.013
"""Distance, as a share of the axis, between two points that would otherwise overlap."""

_SUFFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True)
class BrokenLogAxis:
    """Shows ``low`` to ``high`` in decades; zero, if present, is a shaded band left of a break.

    The whole band stands for zero, so that points may stand side by side in it without a false count.
    """

    low: float
    high: float
    zeros: int

    @classmethod
    def over(cls, counts: NDArray[np.int64]) -> BrokenLogAxis:
        """Return an axis that shows all counts (shape (n,), >= 0)."""
        positive = np.log10(counts[counts > 0])
        low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.0, 1.0)
        return cls(low - _MARGIN, high + _MARGIN, int((counts == 0).sum()))

    @property
    def has_zero(self) -> bool:
        """Whether a count is zero."""
        return self.zeros > 0

    @property
    def band(self) -> tuple[float, float]:
        """The left and right end of the band of zero."""
        least, each = _ZERO_BAND
        right = self.low - _ZERO_GAP
        return right - max(least, each * self.zeros * (self.high - self.low)), right

    @property
    def zero(self) -> float:
        """The middle of the band of zero."""
        return sum(self.band) / 2

    @property
    def limits(self) -> tuple[float, float]:
        """Left and right end of the axis."""
        return (self.band[0] if self.has_zero else self.low, self.high)

    def place(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where counts are drawn, in decades."""
        positive = np.log10(np.maximum(counts, 1).astype(np.float64))
        return np.where(counts > 0, positive, self.zero)

    def spread(self, places: NDArray[np.float64], first: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return places at which no two points overlap.

        Points at zero are distributed over its band, ``first`` members at its right end. Other places closer than a
        marker form a cluster that extends to the right from its left end, ``first`` members first: no point looks
        better than it is. ``places`` must be ascending.
        """
        step = _SIDE_BY_SIDE * (self.limits[1] - self.limits[0])
        spread = places.copy()
        start = int((places < self.low).sum())
        spread[np.argsort(first[:start], kind="stable")] = self._slots(start)
        for end in range(start + 1, len(places) + 1):
            if end < len(places) and places[end] - places[start] < step:
                continue
            members = np.arange(start, end)
            ordered = np.concatenate([members[first[members]], members[~first[members]]])
            spread[ordered] = np.maximum(places[ordered], places[start] + step * np.arange(len(members)))
            start = end
        spread[first] = np.maximum.accumulate(spread[first])
        return spread

    def _slots(self, zeros: int) -> NDArray[np.float64]:
        """Return so many places in the band, from left to right."""
        left, right = self.band
        return left + (right - left) * (np.arange(zeros) + 0.5) / max(zeros, 1)

    def dress(self, axes: Axes) -> None:
        """Set ticks, limits and the mark of the break on the x axis of axes that are drawn in decades."""
        labelled = (1,) if self.high - self.low > 1.5 else (1, 2, 5)
        zero = [self.zero] * self.has_zero
        major = self._ticks(labelled)
        axes.xaxis.set_major_locator(FixedLocator([*zero, *(math.log10(count) for count in major)]))
        axes.xaxis.set_major_formatter(FixedFormatter(["0"] * self.has_zero + [short_count(n) for n in major]))
        minor = [math.log10(count) for count in self._ticks(range(1, 10)) if count not in major]
        axes.xaxis.set_minor_locator(FixedLocator(minor))
        axes.set_xlim(*self.limits)
        if self.has_zero:
            axes.axvspan(*self.band, color="#f2f2f2", linewidth=0, zorder=-1)
            _mark_break(axes, self.low - _ZERO_GAP / 2, 0.007 * (self.limits[1] - self.limits[0]))

    def _ticks(self, steps: tuple[int, ...] | range) -> list[int]:
        decades = range(max(math.floor(self.low), 0), math.ceil(self.high) + 1)
        counts = [step * 10**decade for decade in decades for step in steps]
        return [count for count in counts if self.low <= math.log10(count) <= self.high]


def _mark_break(axes: Axes, middle: float, width: float) -> None:
    """Draw two short slanted strokes across the axis."""
    for shift in (-width / 2, width / 2):
        axes.plot(
            [middle + shift - width / 2, middle + shift + width / 2],
            [-0.014, 0.014],
            transform=axes.get_xaxis_transform(),
            color="black",
            linewidth=0.9,
            clip_on=False,
            zorder=10,
        )


def short_count(count: int) -> str:
    """Return a round count in short form: 1000 is 1k, 10_000_000 is 10M."""
    for size, suffix in _SUFFIXES:
        if count >= size:
            return f"{count / size:g}{suffix}"
    return str(count)
