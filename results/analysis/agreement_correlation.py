"""Is the change of agreement related to the gain of modulation? Correlations with p-values and intervals.

The points are not independent: all tasks of an arm come from the same networks, and all arms see the same tasks.
Therefore whole tasks or whole arms are permuted and resampled, never single cells.

* p-values: the share of permutations of the predictor over the unit whose correlation is at least as far from 0. For
  cells of a task x arm table, tasks and arms are permuted simultaneously, each as a whole.
* Intervals: percentile bootstrap of the unit; for cells tasks and arms are both resampled, independently (the
  pigeonhole bootstrap: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007).

Values are means over seeds; their own spread over seeds is in neither, and pulls correlations towards 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.analysis.statistics import BOOTSTRAP_SEED, LEVEL

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FEWEST = 5
"""Minimum number of units: with 4 points even a perfect order has p = 2/24, above 0.05."""

DRAWS = 5_000
"""Number of permutations, and of resamples, per coefficient."""

_BATCH = 500
_ROUNDING = 1e-12
"""Tolerance with which permutations that reproduce the observed correlation are counted, despite rounding."""


@dataclass(frozen=True)
class Coefficient:
    """A correlation coefficient with its 95 % bootstrap interval and its permutation p-value."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Correlation:
    """Between a predictor and the gain over ``n`` points; ``refusal`` gives the reason if there are no coefficients."""

    n: int
    pearson: Coefficient | None = None
    spearman: Coefficient | None = None
    refusal: str = ""


def over_units(predictor: Floats, gain: Floats, unit: str) -> Correlation:
    """Correlate two values of every unit.

    Args:
        predictor: Shape (units,). Units with a NaN in either are excluded.
        gain: Shape (units,).
        unit: Name of the units, such as ``tasks``.
    """
    present = np.isfinite(predictor) & np.isfinite(gain)
    return _correlate(predictor[present][:, None], gain[present][:, None], (unit,))


def over_cells(predictor: Floats, gain: Floats) -> Correlation:
    """Correlate two tables of tasks x arms cell by cell.

    Args:
        predictor: Shape (tasks, arms). Tasks without any number are excluded, then arms that lack one.
        gain: Shape (tasks, arms).
    """
    present = np.isfinite(predictor) & np.isfinite(gain)
    tasks = present.any(axis=1)
    arms = present[tasks].all(axis=0) if tasks.any() else np.zeros(present.shape[1], dtype=bool)
    return _correlate(predictor[np.ix_(tasks, arms)], gain[np.ix_(tasks, arms)], ("tasks", "arms"))


def pearson(x: Floats, y: Floats) -> Floats:
    """Return the correlation along the last axis, shapes (..., n) that broadcast; NaN if one side is constant."""
    varies = (np.ptp(x, axis=-1) > 0) & (np.ptp(y, axis=-1) > 0)
    dx, dy = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    product = (dx * dy).sum(axis=-1)
    norm = np.sqrt((dx**2).sum(axis=-1) * (dy**2).sum(axis=-1))
    found: Floats = np.divide(product, norm, out=np.full(product.shape, np.nan), where=varies & (norm > 0))
    return found


def _correlate(predictor: Floats, gain: Floats, units: tuple[str, ...]) -> Correlation:
    """Correlate tables whose axes are the units; one unit means a single column."""
    n = predictor.size
    for count, unit in zip(predictor.shape, units, strict=False):
        if count < FEWEST:
            return Correlation(n, refusal=f"needs at least {FEWEST} {unit} with both values, there are {count}")
    if not (np.ptp(predictor) > 0 and np.ptp(gain) > 0):
        return Correlation(n, refusal="one of the two does not vary")
    return Correlation(n, _coefficient(predictor, gain, ranked=False), _coefficient(predictor, gain, ranked=True))


def _coefficient(x: Floats, y: Floats, *, ranked: bool) -> Coefficient:
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    value = float(_correlation(x.ravel(), y.ravel(), ranked))
    extreme, drawn = 0, []
    for _ in range(0, DRAWS, _BATCH):
        shuffled = _taken(x, _orders(generator, x.shape, shuffle=True))
        extreme += int((np.abs(_correlation(shuffled, y.ravel(), ranked)) >= abs(value) - _ROUNDING).sum())
        rows_columns = _orders(generator, x.shape, shuffle=False)
        drawn.append(_correlation(_taken(x, rows_columns), _taken(y, rows_columns), ranked))
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(np.concatenate(drawn), (tail, 100 - tail))
    return Coefficient(value, float(low), float(high), (1 + extreme) / (1 + DRAWS))


def _correlation(x: Floats, y: Floats, ranked: bool) -> Floats:
    if not ranked:
        return pearson(x, y)
    from scipy import stats  # here, since it loads slowly and a status needs none of it

    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def _orders(generator: np.random.Generator, shape: tuple[int, ...], *, shuffle: bool) -> tuple[Indices, Indices]:
    """Return a batch of row orders (batch, rows) and column orders (batch, columns): permuted or resampled."""
    if shuffle:
        rows, columns = (generator.permuted(np.tile(np.arange(size), (_BATCH, 1)), axis=1) for size in shape)
    else:
        rows, columns = (generator.integers(size, size=(_BATCH, size)) for size in shape)
    return rows, columns


def _taken(table: Floats, orders: tuple[Indices, Indices]) -> Floats:
    rows, columns = orders
    return table[rows[:, :, None], columns[:, None, :]].reshape(len(rows), -1)
