"""Accuracy against added parameters: which arms no other arm beats on both, and with what certainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.analysis.statistics import BOOTSTRAP_SEED, RESAMPLES, student_means


def pareto_front(accuracy: NDArray[np.float64], added_parameters: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which arms are on the front: no other arm is at least as good on both and better on one.

    Args:
        accuracy: Shape (..., arms), higher is better; an arm with NaN is never on the front and beats no other arm.
        added_parameters: Shape (arms,), lower is better.

    Returns:
        Shape (..., arms). Arms that tie on both are on the front together.

    Example:
        >>> pareto_front(np.array([0.70, 0.78, 0.75]), np.array([0, 700, 900])).tolist()
        [True, True, False]
    """
    if not len(added_parameters):
        return ~np.isnan(accuracy)
    cheaper, best = best_up_to(accuracy, added_parameters, "left"), best_up_to(accuracy, added_parameters, "right")
    return ~np.isnan(accuracy) & (accuracy > cheaper) & (accuracy >= best)


def best_up_to(
    accuracy: NDArray[np.float64],
    cost: NDArray[np.float64],
    side: Literal["left", "right"],
    at: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the highest accuracy of an arm that costs less than some costs (``left``), or no more (``right``).

    Args:
        accuracy: Shape (..., arms); NaN counts as no arm.
        cost: Shape (arms,), arms >= 1.
        side: Whether an arm of equal cost counts.
        at: Shape (k,); None takes the costs of the arms.

    Returns:
        Shape (..., k); -inf where no arm is so cheap.
    """
    order = np.argsort(cost, kind="stable")
    best = np.maximum.accumulate(np.where(np.isnan(accuracy), -np.inf, accuracy)[..., order], axis=-1)
    count = np.searchsorted(cost[order], cost if at is None else at, side)
    return np.where(count > 0, best[..., np.maximum(count - 1, 0)], -np.inf)


_BLOCKS = 16

Draws = Callable[[NDArray[np.float64], np.random.Generator, int], NDArray[np.float64]]


def on_front_probability(
    values: NDArray[np.float64], added_parameters: NDArray[np.float64], draws: Draws = student_means
) -> NDArray[np.float64]:
    """Return the share of joint draws of all arms' means in which an arm is on the front.

    Args:
        values: Shape (arms, seeds), accuracy; NaN if an arm lacks a seed.
        added_parameters: Shape (arms,).
        draws: ``student_means``, which agrees with the intervals of the tables, or ``resampled_means``, the bootstrap.

    Returns:
        Shape (arms,); NaN for arms with fewer than two seeds (they still count as rivals).
    """
    if not values.size:
        return np.full(len(values), np.nan)
    means = draws(values, np.random.default_rng(BOOTSTRAP_SEED), RESAMPLES)
    drawn = (~np.isnan(means)).sum(axis=0)
    blocks = np.array_split(means, _BLOCKS)  # fronts of all draws at once would take many times the memory of the draws
    wins = sum(pareto_front(block, added_parameters).sum(axis=0) for block in blocks)
    share = np.divide(wins, drawn, out=np.full(len(values), np.nan), where=drawn > 0)
    return np.where((~np.isnan(values)).sum(axis=1) < 2, np.nan, share)


def tradeoff_points(summary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the data of the trade-off figure: one row per arm with a value and a known cost.

    Returns:
        Columns ``arm``, ``added_parameters`` (int64), ``mean``, ``low``, ``high`` (float64; NaN without interval),
        ``on_front`` (bool), ordered by added parameters, then by accuracy from high to low.

    Example:
        >>> from results.tables.store import arrow_table, frame_of
        >>> list(tradeoff_points(frame_of(arrow_table("summary", [])), "triplet_accuracy"))
        ['arm', 'added_parameters', 'mean', 'low', 'high', 'on_front']
    """
    known: pd.DataFrame = summary[summary[f"{metric}_mean"].notna() & summary["added_parameters"].notna()]
    names: Sequence[str] = ("mean", "low", "high")
    points = pd.DataFrame(
        {
            "arm": known["arm"].astype(str),
            "added_parameters": known["added_parameters"].astype("int64"),
            **{name: known[f"{metric}_{name}"].astype("float64") for name in names},
        }
    )
    points["on_front"] = pareto_front(points["mean"].to_numpy(), points["added_parameters"].to_numpy(dtype=np.float64))
    return points.sort_values(["added_parameters", "mean", "arm"], ascending=[True, False, True], ignore_index=True)
