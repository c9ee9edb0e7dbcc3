"""From several studies side by side to the page that shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from results.analysis.comparison.studies import Cell, StudiesComparison
from results.analysis.confirmed import SPLIT
from results.analysis.statistics import Interval
from results.page.comparison.model import ComparedArm, ComparisonPage, SettingShown, StudyShown
from results.page.model import Estimate, MetricShown
from results.page.render import render_comparison
from results.report.captions.of_study import trials
from results.report.captions.record import Basis, caption_line
from results.report.comparison import setting_text, shown_studies
from results.report.wording import listed, span
from results.tables.files import replacing
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS, metric_label

_METRIC = HEADLINE_METRICS[0]


def build_comparison(found: StudiesComparison) -> ComparisonPage:
    """Return the page of a comparison."""
    beside, _ = shown_studies(found)
    meaning = TASK_METRICS[_METRIC].meaning
    return ComparisonPage(
        tuple(StudyShown(name, found.chance[name], found.left_out[name]) for name in found.studies),
        found.tasks,
        beside.notes,
        (MetricShown(_METRIC, metric_label(_METRIC), meaning, None),),
        {},
        tuple(_arm(found, str(number), arm) for number, arm in enumerate(found.arms)),
        tuple(SettingShown(key, tuple(map(setting_text, values))) for key, values in found.differences),
        _captions(found),
    )


def _captions(found: StudiesComparison) -> dict[str, str]:
    """Return the captions of means over tasks and of single tasks; what differs between studies is said of each."""
    counts = {
        name: span(cell.accuracy.n for (_, study), cell in found.cells.items() if study == name)
        for name in found.studies
    }
    tasks = len(found.tasks)
    basis = Basis(
        metric_label(_METRIC),
        f"{SPLIT} images",
        f"mean over the {tasks} shared task{'' if tasks == 1 else 's'}",
        "95 % Student t interval over the seeds of each study",
        _of_each({name: listed(found.seeds[name]) for name in found.studies}),
        _of_each({name: trials(n) for name, n in counts.items()}),
        _of_each({name: rule.partition(":")[0] for name, rule in found.rules.items()}),
        _of_each(found.rules),
        "dashed: chance",
    )
    return {"mean": caption_line(basis), "task": caption_line(replace(basis, over="by task"))}


def _of_each(texts: Mapping[str, str]) -> str:
    """Return what all studies have in common, or what each has."""
    different = set(texts.values())
    return different.pop() if len(different) == 1 else "; ".join(f"{name}: {text}" for name, text in texts.items())


def _arm(found: StudiesComparison, number: str, arm: str) -> ComparedArm:
    cells = [found.cells.get((arm, study)) for study in found.studies]
    return ComparedArm(
        number,
        arm,
        tuple(None if cell is None else _estimate(cell.accuracy) for cell in cells),
        tuple(None if cell is None else cell.added_parameters for cell in cells),
        tuple(_by_task(cell, len(found.tasks)) for cell in cells),
    )


def _by_task(cell: Cell | None, tasks: int) -> tuple[Estimate | None, ...]:
    return (None,) * tasks if cell is None else tuple(map(_estimate, cell.tasks))


def _estimate(interval: Interval) -> Estimate:
    return Estimate(interval.mean, interval.low, interval.high, interval.n)


def write_comparison(found: StudiesComparison, path: Path) -> None:
    """Write the page of a comparison as one HTML file."""
    html = render_comparison(build_comparison(found))
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
