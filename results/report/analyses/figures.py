"""The figures of the analyses over all arms, with their captions; None where a study has no data for one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.figures.canvas import Caption
from results.figures.importance import MOST_BARS, Effects, importance_figure
from results.figures.performance import MOST_NAMED, MOST_RANKED, Performance, performance_figure
from results.figures.storage import StoragePanels, storage_figure
from results.report.analyses.importance import estimable, importance_sentences
from results.report.analyses.storage import measured_note
from results.report.wording import seeds_of

_COLUMNS = ["response", "name", "value", "low", "high", "strong"]
_SIGNIFICANT = 0.05


def importance_drawn(results: Results) -> Figure | None:
    """Draw what matters."""
    found = results.importances
    effects = {}
    if len(found.main):
        rows = found.main.assign(value=found.main["importance"], strong=found.main["kind"] == "factor")
        effects["Tuning"] = Effects(_shown(rows), "importance")
    terms = estimable(found.terms)
    if len(terms):
        rows = terms.assign(name=terms["term"], value=terms["share"], strong=terms["p"] < _SIGNIFICANT)
        effects["Confirm trials"] = Effects(_shown(rows), "share of variance")
    if not effects:
        return None
    colours = "Blue: factors (tuning), p < 0.05 by F test (confirm trials)."
    cut = any(own.rows["name"].nunique() > MOST_BARS for own in effects.values())
    colours += f" The first {MOST_BARS} by accuracy." if cut else ""
    note = f"Study {results.study}. {' '.join(importance_sentences(results))} {colours}"
    return importance_figure(effects, Caption("What matters", note))


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(name=rows["name"].str.replace("_", " "))[_COLUMNS]


def performance_drawn(results: Results) -> Figure | None:
    """Draw performance profiles, and improvement over the reference arm."""
    ranked = list(ranked_arms(results.summary)["arm"])
    if len(results.scores.arms) < 2:
        return None
    others = [arm for arm in ranked if arm not in REFERENCE_ARMS]
    references = [arm for arm in ranked if arm in REFERENCE_ARMS]
    named = [*references, *others[: MOST_NAMED - len(references)]]
    improvements = results.improvements
    if len(improvements):
        improvements = improvements.sort_values("mean", ascending=False, kind="stable")
    cut = f" In colour: the references and the best arms of {len(ranked)}." if len(ranked) > MOST_NAMED else ""
    cut += f" Right: the best {MOST_RANKED}." if len(improvements) > MOST_RANKED else ""
    note = (
        f"Study {results.study}. Test images, {len(results.scores.tasks)} tasks, train seeds"
        f" {seeds_of(results.summary)}. Left: share of an arm's runs above a score, shaded: pointwise 95 % Student t"
        f" over seeds.{cut}"
        + (" Right: jackknife over seeds, filled: the interval excludes 0.5." if len(improvements) else "")
        + f" Selection: {results.confirmed.rule.statement}."
    )
    caption = Caption("Performance profiles and probability of improvement", note)
    return performance_figure(Performance(results.profiles, named, improvements, results.reference or ""), caption)


def storage_drawn(results: Results) -> Figure | None:
    """Draw accuracy against bytes of network and index, and bytes as the gallery grows."""
    known = [arm for arm in results.stored if arm.accuracy is not None]
    if not known:
        return None
    chosen = {images: [arm.name for arm in found] for images, found in results.efficient.items()}
    forms = {arm.form for arm in known}
    names = {arm.name: arm.arm if len(forms) == 1 else arm.name for arm in known}
    note = (
        f"Test images, mean over {len(results.scores.tasks)} tasks; means and 95 % Student t intervals over train seeds"
        f" {seeds_of(results.summary)}. {measured_note(results)} Filled: no arm is as good in accuracy, bytes and"
        " multiply-adds and better in one."
    )
    return storage_figure(StoragePanels(known, chosen, names, f"What {results.study} takes to store", note))
