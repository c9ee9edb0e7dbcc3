"""Accuracy against added parameters: which arms no other arm beats on both, and with what certainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.analysis.statistics import BOOTSTRAP_SEED, RESAMPLES, resampled_means


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
    on_front = ~np.isnan(accuracy)
    for rival, cost in enumerate(added_parameters):
        theirs = accuracy[..., rival : rival + 1]
        # A comparison with NaN is False, so arms without a value neither beat nor are beaten.
        cheaper = (cost < added_parameters) & (theirs >= accuracy)
        better = (cost <= added_parameters) & (theirs > accuracy)
        on_front &= ~(cheaper | better)
    return on_front


def on_front_probability(values: NDArray[np.float64], added_parameters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of joint bootstrap draws over seeds in which an arm is on the front.

    Args:
        values: Shape (arms, seeds), accuracy; NaN if an arm lacks a seed.
        added_parameters: Shape (arms,).

    Returns:
        Shape (arms,); NaN for arms with fewer than two seeds (they still count as rivals).
    """
    if not values.size:
        return np.full(len(values), np.nan)
    means = resampled_means(values, np.random.default_rng(BOOTSTRAP_SEED), RESAMPLES)
    drawn = (~np.isnan(means)).sum(axis=0)
    wins = pareto_front(means, added_parameters).sum(axis=0)
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
