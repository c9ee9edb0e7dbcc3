"""The figures of the analyses over all arms, with their captions; None where a study has no data for one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.figures.importance import MOST_BARS, Effects, importance_figure
from results.figures.performance import MOST_NAMED, MOST_RANKED, Performance, performance_figure
from results.figures.storage import StoragePanels, storage_figure
from results.report.analyses.importance import estimable, left_out
from results.report.analyses.storage import measured_note
from results.report.captions.of_study import at, captioned, captions_of

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
    captions = captions_of(results)
    shown = {"importance": "Tuning", "variance": "Confirm trials"}
    bases = [at(title, captions[name]) for name, title in shown.items() if title in effects]
    cut = any(own.rows["name"].nunique() > MOST_BARS for own in effects.values())
    extra = " ".join([*left_out(results), *([f"The first {MOST_BARS} by accuracy."] if cut else ())])
    caption = captioned(results, "What matters", *bases, extra=extra)
    return importance_figure(effects, caption)


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
    cut = f"In colour: the references and the best arms of {len(ranked)}." if len(ranked) > MOST_NAMED else ""
    cut += f" Right: the best {MOST_RANKED}." if len(improvements) > MOST_RANKED else ""
    captions = captions_of(results)
    bases = [captions["performance"]]
    if len(improvements):
        bases = [at("Left", captions["performance"]), at("right", captions["improvement"])]
    title = "Performance profiles and probability of improvement"
    caption = captioned(results, title, *bases, extra=cut)
    found = Performance(results.profiles, named, improvements, results.told_from_reference, results.reference or "")
    return performance_figure(found, caption)


def storage_drawn(results: Results) -> Figure | None:
    """Draw accuracy against bytes of network and index, and bytes as the gallery grows."""
    known = [arm for arm in results.stored if arm.accuracy is not None]
    if not known:
        return None
    chosen = {images: [arm.name for arm in found] for images, found in results.efficient.items()}
    forms = {arm.form for arm in known}
    names = {arm.name: arm.arm if len(forms) == 1 else arm.name for arm in known}
    title = f"What {results.study} takes to store"
    caption = captioned(results, title, captions_of(results)["storage"], extra=measured_note(results))
    return storage_figure(StoragePanels(known, chosen, names, caption.title, caption.note))
