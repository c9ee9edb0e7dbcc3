"""How sure the ranking is: the band of the front, the arms tied with the best, and all pairs of arms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from results.analysis.inference.comparison import compare_all
from results.analysis.inference.scores import Scores
from results.analysis.reported import Results
from results.page.model import BandStep, Pairs
from results.page.parts.arms import number

MOST_PAIRED = 120
"""Largest number of arms of which all pairs are on the page: those with the highest means, 7,140 pairs."""


def front_band(results: Results) -> tuple[BandStep, ...]:
    """Return the band of the highest accuracy at a cost, by added parameters; empty without intervals."""
    if results.points.empty:
        return ()
    band = results.front.band
    rows = band[band["low"].notna()].to_dict("records")
    return tuple(BandStep(float(row["cost"]), float(row["low"]), float(row["high"])) for row in rows)


def pairs_of(scores: Scores) -> Pairs:
    """Return the paired differences of the arms, the best first where there are too many."""
    means = pd.DataFrame(scores.means()).mean(axis=1).fillna(-np.inf).to_numpy(dtype=np.float64)
    kept = sorted(int(arm) for arm in np.argsort(-means, kind="stable")[:MOST_PAIRED])
    few = replace(
        scores,
        arm_ids=tuple(scores.arm_ids[i] for i in kept),
        arms=tuple(scores.arms[i] for i in kept),
        array=scores.array[kept],
    )
    found = compare_all(few)
    columns = {name: tuple(number(value) for value in found[name]) for name in ("mean", "low", "high", "p_holm")}
    return Pairs(few.arm_ids, **columns, n=tuple(int(n) for n in found["n"]))
