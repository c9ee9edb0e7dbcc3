"""``report.md``: the answer, a table with chance levels, two figures, and what to beware of. Short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from results.analysis.chance import mean_chance, worst_chances
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.report.answer import best_sentence, counted
from results.report.cautions import cautions
from results.report.markdown import bullets, code_block, escape, table
from results.report.sharing_section import SharedGpu
from results.report.wording import columns_estimate, format_summary, summary_note, with_chance
from results.tables.metrics import HEADLINE_METRICS, metric_label

_SECOND = HEADLINE_METRICS[1]

MOST_ARMS = 40
"""Largest number of arms in the table of the short page; the best are kept, and the reference arms."""


@dataclass(frozen=True)
class Origin:
    """Facts that are not in the tables.

    Attributes:
        description: The one-sentence description of the study.
        commands: The commands that reproduce the results.
        data_facts: Findings about the images, one sentence each.
        notes: Remarks on the trials, one sentence each.
        shared_gpus: How trials shared GPUs; empty if that was not measured.
    """

    description: str = ""
    commands: tuple[str, ...] = ("modstudy run study.yaml", "modstudy report .")
    data_facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shared_gpus: tuple[SharedGpu, ...] = ()


def opening(results: Results, answer: Sequence[str], origin: Origin, figures: Sequence[Path]) -> str:
    """Return the short page."""
    parts = [
        f"# Study {escape(results.study)}",
        escape(origin.description),
        escape(" ".join(answer)),
        _table(results),
        embedded(figures, "tradeoff.png", "trade-off"),
    ]
    if beware := [*cautions(results), *origin.notes]:
        parts += ["## Read with care", bullets(beware)]
    if any(path.name == "tasks.png" for path in figures):
        parts += ["## Tasks", embedded(figures, "tasks.png", "accuracy by task")]
    parts += [
        "## How to reproduce",
        code_block(origin.commands),
        _FURTHER,
    ]
    return "\n\n".join(filter(None, parts))


_FURTHER = (
    "Other metrics, differences between arms, tasks, selected hyperparameters, storage, effort and failures: "
    "[details.md](details.md)."
)


def _table(results: Results) -> str:
    summary = results.summary
    kept = summary.nlargest(MOST_ARMS, "triplet_accuracy_mean", keep="all")["arm_id"]
    stays = summary["arm_id"].isin(kept) | summary["arm"].isin(REFERENCE_ARMS)
    shown = summary[stays] if len(summary) > MOST_ARMS else summary
    worst = worst_chances(results.confirmed, HEADLINE_METRICS[0])
    rows = _with_recall(format_summary(shown, results.chance, worst), shown, results)
    parts = [table(list(rows[0]), [list(row.values()) for row in rows])] if rows else []
    note = summary_note(summary, rows[0] if rows else ())
    if left_out := len(summary) - len(shown):
        note += f" Left out: {counted(left_out, 'arm')} of lower accuracy."
    return "\n\n".join(filter(None, [*parts, escape(best_sentence(results)), escape(note)]))


def _with_recall(rows: list[dict[str, str]], shown: pd.DataFrame, results: Results) -> list[dict[str, str]]:
    """Return the rows with the second headline metric beside the first, if it was measured."""
    if shown[f"{_SECOND}_mean"].isna().all():
        return rows
    title = with_chance(metric_label(_SECOND), mean_chance(results.confirmed, _SECOND))
    wider = []
    for row, values in zip(rows, shown.to_dict("records"), strict=True):
        (first, *others) = row.items()
        (accuracy, *rest) = others
        wider.append(dict([first, accuracy, (title, columns_estimate(values, _SECOND)), *rest]))
    return wider


def embedded(figures: Sequence[Path], name: str, title: str) -> str:
    """Return the figure of a file name, or a sentence where it was not drawn."""
    found = [path.name for path in figures if path.name == name]
    return f"![{title}]({found[0]})" if found else "There are no confirm results to draw yet."
