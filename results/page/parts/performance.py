"""How the runs of arms are distributed, and how they stand against the reference arm."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.page.analyses import PerformanceShown, Profile
from results.page.model import Estimate
from results.page.parts.arms import number
from results.page.parts.certainty import MOST_PAIRED


def performance_shown(results: Results) -> PerformanceShown | None:
    """Return profiles, the best arms where there are many, and comparisons; None with fewer than two arms."""
    scores = results.scores
    if len(scores.arms) < 2:
        return None
    ids = dict(zip(scores.arms, scores.arm_ids, strict=True))
    kept = list(ranked_arms(results.summary)["arm"])[:MOST_PAIRED]
    own = {str(arm): rows for arm, rows in results.profiles.groupby("arm", sort=False)}
    thresholds = next(iter(own.values()))["threshold"]
    return PerformanceShown(
        results.reference or "",
        tuple(float(value) for value in thresholds),
        {ids[arm]: _profile(own[arm]) for arm in kept},
        _estimates(results.improvements, ids, ""),
        _estimates(results.relative_gains, ids, "delta_"),
        tuple(ids[arm] for arm in scores.arms if arm in results.told_from_reference),
        len(own) - len(kept),
    )


def _profile(rows: pd.DataFrame) -> Profile:
    share, low, high = (rows[name].map(_rounded) for name in ("share", "low", "high"))
    return Profile(tuple(map(float, share)), tuple(map(number, low)), tuple(map(number, high)))


def _rounded(value: float) -> float:
    return round(value, 3)


def _estimates(rows: pd.DataFrame, ids: Mapping[str, str], prefix: str) -> dict[str, Estimate]:
    return {
        ids[str(row["arm"])]: Estimate(
            number(row[f"{prefix}mean"]), number(row[f"{prefix}low"]), number(row[f"{prefix}high"]), int(row["n"])
        )
        for row in rows.to_dict("records")
    }
