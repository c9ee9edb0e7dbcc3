"""What matters: factors and nuisance values."""

from __future__ import annotations

import pandas as pd

from results.analysis.importance.design import RESPONSES
from results.analysis.reported import Results
from results.page.analyses import EffectShown, ImportanceShown
from results.page.parts.arms import number
from results.report.analyses.importance import estimable, left_out
from results.report.wording import listed


def importance_shown(results: Results) -> ImportanceShown | None:
    """Return importances and shares of variance; None where the study is too small for either."""
    found = results.importances
    terms = estimable(found.terms).rename(columns={"term": "name", "share": "importance"}).assign(kind="confirm")
    if found.main.empty and terms.empty:
        return None
    tune = _by_response(found.main.assign(p=float("nan")))
    return ImportanceShown(tune, _by_response(terms), found.trials, found.runs, listed(found.seeds), left_out(results))


def _by_response(rows: pd.DataFrame) -> dict[str, tuple[EffectShown, ...]]:
    effects: dict[str, list[EffectShown]] = {}
    for row in rows.sort_values("importance", ascending=False, kind="stable").to_dict("records"):
        value, low, high, p = (number(row[name]) for name in ("importance", "low", "high", "p"))
        name = str(row["name"]).replace("_", " ")
        effects.setdefault(str(row["response"]), []).append(
            EffectShown(name, str(row["kind"]), value or 0.0, low, high, p)
        )
    return {response: tuple(effects[response]) for response in RESPONSES if response in effects}
