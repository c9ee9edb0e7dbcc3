"""The report's section on ``update_agreement`` without and with modulation, with its figure and table of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from results.analysis.agreement import SHARED, StudyAgreement
from results.analysis.agreement_correlation import Coefficient, Correlation, over_cells, over_units
from results.analysis.agreement_tables import Changes, changes_of, mean_of, pair_table, stage_table
from results.analysis.reported import Results
from results.analysis.statistics import student_mean
from results.figures.canvas import save_figure
from results.figures.networks.agreement import agreement_figure, shown_arm
from results.report.captions.of_study import captioned, captions_of
from results.report.markdown import bullets, table
from results.report.wording import estimate, listed, share
from results.tables.files import replacing

Floats = NDArray[np.float64]

FILES = ("agreement.png", "agreement.svg", "agreement.csv")
CELLS = "change of a task's mean cosine with the others, over tasks and arms"


@dataclass(frozen=True)
class AgreementReport:
    """The data of the section, the figure and the CSV file."""

    agreement: StudyAgreement
    changes: Changes
    correlations: dict[str, Correlation]


def agreement_report(agreement: StudyAgreement) -> AgreementReport:
    """Compute changes and correlations of a study."""
    changes = changes_of(agreement)
    return AgreementReport(agreement, changes, correlations(changes))


def correlations(changes: Changes) -> dict[str, Correlation]:
    """Return the correlation of every predictor with the gain, by description."""
    gain = mean_of(changes.gain, (1,))
    over_arms, over_tasks = mean_of(gain, (1,)), mean_of(gain, (0,))
    cosine, update = mean_of(changes.cosine, (1,)), mean_of(changes.update, (1,))
    return {
        "change of a task's mean cosine with the others, over tasks": over_units(
            mean_of(cosine, (0,)), over_tasks, "tasks"
        ),
        "change of a task's update agreement, over tasks": over_units(mean_of(update, (0,)), over_tasks, "tasks"),
        "a task's mean cosine with the others in shared alone, over tasks": over_units(
            mean_of(changes.shared_cosine, (0,)), over_tasks, "tasks"
        ),
        "a task's update agreement in shared alone, over tasks": over_units(
            mean_of(changes.shared_update, (0,)), over_tasks, "tasks"
        ),
        "change of the mean cosine, over arms": over_units(mean_of(cosine, (1,)), over_arms, "arms"),
        "change of the conflict share, over arms": over_units(mean_of(changes.conflict_share, (1,)), over_arms, "arms"),
        "change of the update agreement, over arms": over_units(mean_of(update, (1,)), over_arms, "arms"),
        CELLS: over_cells(cosine.T, gain.T),
        "change of a task's update agreement, over tasks and arms": over_cells(update.T, gain.T),
    }


def captioned_agreement(report: AgreementReport, results: Results) -> Figure:
    """Draw the heat maps of a study."""
    own = report.agreement
    basis = captions_of(results)["agreement"]
    extra = f"Above: {SHARED}; below: {own.arms[shown_arm(own)]}. Tasks in the study's order, from top and left."
    caption = captioned(results, "Cosine between the gradients of two tasks, by stage", basis, extra=extra)
    return agreement_figure(own, report.changes, report.correlations[CELLS], caption)


def write_agreement_files(report: AgreementReport, results: Results, folder: Path) -> tuple[Path, ...]:
    """Write figure and table of pairs; return the figures."""
    figure = captioned_agreement(report, results)
    figures = tuple(folder / name for name in FILES if not name.endswith(".csv"))
    save_figure(figure, *figures)
    with replacing(folder / FILES[-1]) as temporary:
        pair_table(report.agreement).to_csv(temporary, index=False, float_format="%.5f", lineterminator="\n")
    return figures


def agreement_section(report: AgreementReport) -> str:
    """Return the section: tables by stage, changes by arm and by task, correlations in words."""
    own, changes = report.agreement, report.changes
    stages = stage_table(own)
    first, last = (listed(own.epochs[moment]) for moment in ("first", "last"))
    parts = [
        "Do tasks pull the shared filters in the same direction, and does modulation change that? Confirm trials, "
        f"train seeds {listed(own.seeds)}, measured at the start of epoch {last}"
        + (f" (first measured: epoch {first})" if first != last else "")
        + ". Each arm trains with its own selected nuisance values, so differences between arms include their effect.",
        "![agreement](agreement.png)",
    ]
    for name, title in (
        ("conflict_share", "Share of (task pair, filter) cases whose gradients conflict"),
        ("cosine", "Mean cosine between the gradients of two tasks"),
    ):
        for moment, epoch in ({"first": first, "last": last} if first != last else {"last": last}).items():
            chosen = stages[stages["moment"] == moment]
            rows = [
                [str(arm), *(share(value) for value in found[name])] for arm, found in chosen.groupby("arm", sort=False)
            ]
            parts += [f"{title}, epoch {epoch}:", table(["arm", *own.stages], rows)]
    parts += ["Minus shared with the same seed, mean over stages, 95 % Student t interval over seeds:"]
    parts += [
        _changes_table("arm", tuple(own.arms.values()), changes, 2),
        _changes_table("task", own.tasks, changes, 0),
    ]
    parts += [f"Every pair of tasks by arm and stage: [{FILES[-1]}]({FILES[-1]}).", _HOW_TO_READ]
    computed = sum(found.pearson is not None for found in report.correlations.values())
    parts.append(bullets(sentence(name, found, computed) for name, found in report.correlations.items()))
    return "\n\n".join(parts)


_HOW_TO_READ = (
    "Correlations with the gain in test triplet accuracy (modulated minus shared), of means over seeds. In brackets "
    "95 % bootstrap intervals over whole tasks or arms, which are rough if these are few; p from permutations of whole "
    "tasks or arms. The verdict multiplies p by the number of correlations (Bonferroni). They describe association "
    "in this study, not causes: both sides are differences from the same shared networks, and tasks on which the "
    "shared arm does badly have more to gain."
)


def sentence(name: str, found: Correlation, together: int) -> str:
    """Return what a correlation with the gain supports, as one of ``together`` correlations."""
    if found.pearson is None or found.spearman is None:
        return f"{name}: no correlation, {found.refusal}"
    numbers = f"Pearson {_coefficient(found.pearson)}; Spearman {_coefficient(found.spearman)}"
    p = max(found.pearson.p, found.spearman.p)
    verdict = f"associated with {'more' if found.pearson.value > 0 else 'less'} gain in this study"
    if p * together >= 0.05:
        verdict = "not distinguishable from no relation"
        if p < 0.05:
            verdict += f" (p below 0.05 on its own, but not as one of {together} correlations)"
    return f"{name} ({found.n} points): {verdict}. {numbers}"


def _coefficient(found: Coefficient) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}], p {found.p:.2g}"


def _changes_table(by: str, names: tuple[str, ...], changes: Changes, axis: int) -> str:
    """Return the table of changes by arm (means over ``axis`` 2, the tasks) or by task (over axis 0, the arms)."""
    columns = {"gain": changes.gain, "mean cosine": changes.cosine, "update agreement": changes.update}
    by_seed = {name: mean_of(values, (axis,)) for name, values in columns.items()}
    by_seed = {name: values if axis == 2 else values.T for name, values in by_seed.items()}
    if axis == 2:
        by_seed["conflict share"] = changes.conflict_share
    rows = [[name, *(_estimate(values[row]) for values in by_seed.values())] for row, name in enumerate(names)]
    return table([by, *by_seed], rows)


def _estimate(values: Floats) -> str:
    present = values[np.isfinite(values)]
    if not len(present):
        return estimate(None, None, None)
    found = student_mean(present)
    return estimate(found.mean, found.low, found.high, signed=True)
