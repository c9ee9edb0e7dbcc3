"""How often trials ended without a result, by level of every factor: what is missing may bias what is compared."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from results.tables.schema import FACTORS, INFEASIBLE, NUISANCE

MOST_LEVELS = 8
"""A nuisance parameter with more values than this is split at its median."""

COLUMNS = ("factor", "level", "trials", "without_result", "diverged", "infeasible", "rate", "failed_attempts", "lost")


def failure_rates(trials: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """Return one row per level of every factor and nuisance parameter that varies, in the order of the tables.

    Only begun trials count. ``without_result``: the trial diverged, is infeasible, or has failed so far; ``rate``:
    their share of ``trials``; ``lost``: attempts that ended with their node, which are no ``failed_attempts``.
    """
    begun = _with_ends(trials[trials["attempts"] > 0], failures)
    rows = [
        {
            "factor": factor,
            "level": str(level),
            "trials": len(own),
            "without_result": int(own["without"].sum()),
            "diverged": int(own["diverged"].sum()),
            "infeasible": int(own["infeasible"].sum()),
            "rate": float(own["without"].mean()),
            "failed_attempts": int(own["failed_attempts"].sum()),
            "lost": int(own["lost"].sum()),
        }
        for factor, level, own in _levels(begun)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_ends(trials: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    without = trials["state"] == "failed"
    diverged = set(failures.loc[failures["kind"] == "diverged", "trial_id"])
    infeasible = set(failures.loc[failures["message"].str.startswith(INFEASIBLE), "trial_id"])
    is_lost = failures["kind"] == "lost"
    lost, failed = (failures.loc[rows, "trial_id"].value_counts() for rows in (is_lost, ~is_lost))
    return trials.assign(
        without=without,
        diverged=without & trials["trial_id"].isin(diverged),
        infeasible=without & trials["trial_id"].isin(infeasible),
        lost=trials["trial_id"].map(lost).fillna(0),
        failed_attempts=trials["trial_id"].map(failed).fillna(0),
    )


def _levels(trials: pd.DataFrame) -> Iterator[tuple[str, object, pd.DataFrame]]:
    """Yield factor, level and trials; nuisance values are those of tune trials, since confirm trials repeat them."""
    for column in FACTORS:
        if _levels_of(trials[column.name]) > 1:
            for level, own in trials.groupby(column.name, sort=False):
                yield column.name, level, own
    tune = trials[trials["stage"] == "tune"]
    for column in NUISANCE:
        values = tune[column.name]
        if _levels_of(values) < 2:
            continue
        if _levels_of(values) <= MOST_LEVELS:
            for level, own in tune.groupby(column.name):
                yield column.name, f"{level:g}", own
        else:
            middle = float(values.median())
            yield column.name, f"at most {middle:.3g}", tune[values <= middle]
            yield column.name, f"above {middle:.3g}", tune[values > middle]


def _levels_of(values: pd.Series) -> int:
    return len(values.dropna().unique())
