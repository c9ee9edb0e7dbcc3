"""How sure the ranking is: the band of the front, the arms tied with the best, and all pairs of arms."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.inference.verdicts import ALPHA, Verdicts
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


def pairs_of(verdicts: Verdicts) -> Pairs:
    """Return the verdicts on the pairs of the arms, of the best ones where there are too many."""
    scores = verdicts.scores
    means = pd.DataFrame(scores.means()).mean(axis=1).fillna(-np.inf).to_numpy(dtype=np.float64)
    kept = np.sort(np.argsort(-means, kind="stable")[:MOST_PAIRED])
    first, second = np.triu_indices(len(scores.arms), 1)
    found = verdicts.table[np.isin(first, kept) & np.isin(second, kept)]
    columns = {name: tuple(number(value) for value in found[name]) for name in ("mean", "low", "high", "p_holm")}
    told = tuple(bool(p < ALPHA) for p in found["p_holm"])
    ids = tuple(scores.arm_ids[arm] for arm in kept)
    return Pairs(ids, **columns, told=told, n=tuple(int(n) for n in found["n"]), rule=verdicts.rule)
