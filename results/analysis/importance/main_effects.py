"""Main effects on tuning results: PED-ANOVA on our table, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from results.analysis.importance.design import FACTOR_COLUMNS, NUISANCE_COLUMNS, RESPONSES, varying
from results.analysis.importance.ped_anova import Levels, ped_anova
from results.analysis.statistics import Floats, student_quantile

FEWEST_TRIALS = 20
"""With fewer trials, hardly any of them is in the best quarter."""

_GROUPS = 10
_QUARTERS = 4
_COLUMNS = ["response", "name", "kind", "importance", "low", "high", "trials"]


def main_effects(design: pd.DataFrame) -> pd.DataFrame:
    """Return how much each factor and nuisance value decides whether a tune trial is among the best quarter.

    Nuisance values with many values enter by quarters.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255) on completed tune trials; importances of a
    response sum to 1. Lower bytes are better. Intervals are Student t of the delete-a-group jackknife over trials, each
    group holding some trials of every arm, within 0 and 1: rough with few trials.

    Args:
        design: As ``tune_design`` returns it.

    Returns:
        Columns ``response`` (accuracy, worst task, bytes), ``name`` (of the factor or nuisance value), ``kind``
        (factor or nuisance), ``importance``, ``low``, ``high`` and ``trials``, by descending importance within a
        response. No rows for a response with fewer than 20 trials, or one value; constant factors are absent.
    """
    names = varying(design, (*FACTOR_COLUMNS, *NUISANCE_COLUMNS))
    known = {
        response: int(design[response].notna().sum()) for response in RESPONSES if len(design[response].unique()) > 1
    }
    responses = [response for response, trials in known.items() if trials >= FEWEST_TRIALS]
    if not names or not responses:
        return pd.DataFrame(columns=_COLUMNS)
    whole, low, high = _with_bounds(design, names, responses)
    kinds = ["factor" if name in FACTOR_COLUMNS else "nuisance" for name in names]
    frames = []
    for i, response in enumerate(responses):
        columns = {"importance": whole[i], "low": low[i], "high": high[i], "trials": known[response]}
        frame = pd.DataFrame({"response": response, "name": names, "kind": kinds, **columns})
        frames.append(frame.sort_values("importance", ascending=False, kind="stable"))
    return pd.concat(frames, ignore_index=True)


def _with_bounds(design: pd.DataFrame, names: tuple[str, ...], responses: list[str]) -> tuple[Floats, Floats, Floats]:
    """Return importances and their bounds, each of shape (responses, names)."""
    levels = [_coded(_levels(design[name])) for name in names]
    gain = np.array([RESPONSES[name] * design[name].to_numpy(dtype=np.float64) for name in responses])
    group = np.arange(len(design)) % _GROUPS  # rows are ordered by arm, so that a group has trials of every arm
    whole = ped_anova(levels, gain)
    kept = [group != out for out in range(_GROUPS)]
    left_out = np.array([ped_anova([of_name.of(some) for of_name in levels], gain[:, some]) for some in kept])
    error = np.sqrt((_GROUPS - 1) / _GROUPS * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    half = student_quantile(_GROUPS - 1) * error
    return whole, (whole - half).clip(0, 1), (whole + half).clip(0, 1)


def _coded(found: list[Any]) -> Levels:
    codes, known = pd.factorize(np.array(found, dtype=object), sort=True, use_na_sentinel=False)
    return Levels(codes, len(known))


def _levels(column: pd.Series[Any]) -> list[Any]:
    """Return the levels of a factor, and of a number with many values the quarter of the trials that it is in.

    Over a few dozen trials, the density of a number has a peak at each of them, which looks like importance.
    """
    found: list[Any] = column.tolist()
    if column.name in FACTOR_COLUMNS or len(set(found)) <= _QUARTERS:
        return found
    edges = np.quantile(column.astype(float), [0.25, 0.5, 0.75])
    return [int(quarter) for quarter in np.searchsorted(edges, column.astype(float))]
