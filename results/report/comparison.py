"""Comparisons in words: two arms of a study, and several studies. Rows of plain text, and Markdown of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from results.analysis.comparison.studies import StudiesComparison
from results.analysis.inference.comparison import Comparison
from results.analysis.statistics import Interval
from results.report.answer import counted
from results.report.markdown import bullets, escape, table
from results.report.wording import ABSENT, count, estimate, p_value, reading, settings, with_chance


@dataclass(frozen=True)
class Shown:
    """A titled table of plain texts, with sentences below it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def shown_arms(study: str, found: Comparison) -> Shown:
    """Return the comparison of two arms: over all tasks, then by task."""
    verdict, improvement = found.verdict, found.improvement
    rows = [("all tasks", _difference(verdict.difference), p_value(verdict.p), p_value(verdict.p_holm))]
    rows += [(task.task, _difference(task.difference), p_value(task.p), p_value(task.p_holm)) for task in found.tasks]
    basis = (
        f"Triplet accuracy on test images, {verdict.ours} minus {verdict.theirs}, paired by train seed"
        f" ({', '.join(map(str, found.seeds))}), with 95 % Student t intervals of each row alone. p: two-sided paired t"
        f" test, not corrected. p (Holm): in the first row, which decides, with the variance moderated and corrected"
        f" over {_family(verdict.pairs, 'pair of arms', 'pairs of arms')} of the study; in the others corrected over"
        f" {_family(len(found.tasks), 'task', 'tasks')}."
    )
    chance = (
        f"Probability that a run of {verdict.ours} beats one of {verdict.theirs} on a task drawn at random:"
        f" {estimate(improvement.mean, improvement.low, improvement.high)}."
    )
    notes = (f"{reading(verdict)}.", basis, chance)
    title = f"Study {study}: {verdict.ours} against {verdict.theirs}"
    return Shown(title, ("task", "difference", "p, uncorrected", "p (Holm)"), tuple(rows), notes)


def _difference(found: Interval) -> str:
    return estimate(found.mean, found.low, found.high, signed=True)


def _family(size: int, one: str, many: str) -> str:
    return f"the 1 {one}" if size == 1 else f"all {size:,} {many}"


def shown_studies(found: StudiesComparison) -> tuple[Shown, Shown]:
    """Return accuracy and cost of every arm in every study, and the settings that differ."""
    header = ["arm"]
    for study in found.studies:
        header += [with_chance(study, found.chance[study]), f"{study}: added"]
    rows = [(arm, *(text for study in found.studies for text in _cell(found, arm, study))) for arm in found.arms]
    basis = (
        f"Triplet accuracy on test images, mean over the {counted(len(found.tasks), 'task')} that all studies have"
        f" ({', '.join(found.tasks)}), with 95 % Student t intervals over each study's seeds."
    )
    notes = [
        basis,
        *(f"Left out of {study}: {', '.join(tasks)}." for study, tasks in found.left_out.items() if tasks),
        "Nothing pairs the seeds of different studies, so no interval of a difference between studies is given."
        if found.same_data
        else "The studies used different images or labels: a difference between columns is no effect of an arm.",
    ]
    differing = [(key, *map(setting_text, values)) for key, values in found.differences]
    return (
        Shown("Studies side by side", tuple(header), tuple(rows), tuple(notes)),
        Shown("What differs in their definitions", ("setting", *found.studies), tuple(differing)),
    )


def _cell(found: StudiesComparison, arm: str, study: str) -> tuple[str, str]:
    cell = found.cells.get((arm, study))
    if cell is None:
        return ABSENT, ABSENT
    return estimate(cell.accuracy.mean, cell.accuracy.low, cell.accuracy.high), count(cell.added_parameters)


def setting_text(value: Any) -> str:
    """Return a setting on one line; ``-`` where a study lacks it."""
    if value is None:
        return ABSENT
    return ", ".join(map(settings, value)) if isinstance(value, list) else settings(value)


def comparison_markdown(parts: list[Shown]) -> str:
    """Return the page of a comparison; names are shown literally."""
    blocks = []
    for part in parts:
        blocks.append(f"## {escape(part.title)}")
        blocks.append(table(part.header, part.rows) if part.rows else "Nothing.")
        blocks += [bullets(part.notes)] if part.notes else []
    return "\n\n".join(["# Comparison", *blocks]) + "\n"
