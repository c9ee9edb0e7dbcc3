"""The figures of a report with their captions, each from the tables of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from results.analysis.agreement import study_agreement
from results.analysis.confirmed import confirmed_results
from results.analysis.selection import rule_of
from results.analysis.summary import summarize
from results.analysis.task_estimates import task_estimates
from results.analysis.tradeoff import tradeoff_points
from results.figures.tradeoff import Caption, task_figure, tradeoff_figure
from results.plain_text import nearest
from results.report.agreement_section import agreement_report, captioned_agreement
from results.report.wording import seeds_of
from results.tables.metrics import HEADLINE_METRICS

Tables = Mapping[str, pd.DataFrame]


def report_figure(name: str, tables: Tables) -> Figure:
    """Draw a figure of the report.

    Args:
        name: ``tradeoff`` (accuracy against added parameters), ``tasks`` (accuracy by task) or ``agreement`` (cosines
            of the tasks' gradients, where ``agreement.every_epochs`` was set).
        tables: ``trials``, ``task_metrics`` and ``storage``, and for ``agreement`` also ``curves``.

    Raises:
        ValueError: There is no such figure, or the tables hold nothing to draw in it yet.
    """
    if name not in _FIGURES:
        raise ValueError(f"no figure {name!r}{nearest(name, _FIGURES)}")
    return _FIGURES[name](tables)


def captioned_tradeoff(points: pd.DataFrame, summary: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Draw accuracy against added parameters."""
    caption = Caption(
        "Test triplet accuracy against added parameters",
        f"{_basis(summary)}, each the mean over {tasks['task'].nunique()} tasks. "
        f"Arms of nearly equal cost are drawn side by side. Selection: {_rule(summary)}.",
    )
    return tradeoff_figure(points, caption, "triplet accuracy on test images, mean over tasks")


def captioned_tasks(summary: pd.DataFrame, tasks: pd.DataFrame) -> Figure:
    """Draw accuracy by task."""
    note = f"{_basis(summary)}. Dotted line: shared; dashed line: separate. Selection: {_rule(summary)}."
    return task_figure(tasks, Caption("Test triplet accuracy by task", note), "triplet accuracy on test images")


def _basis(summary: pd.DataFrame) -> str:
    return f"Study {summary['study'].iloc[0]}. Means and 95 % bootstrap intervals over train seeds {seeds_of(summary)}"


def _rule(summary: pd.DataFrame) -> str:
    return str(summary["selection_rule"].iloc[0])


def _tradeoff(tables: Tables) -> Figure:
    summary, tasks = _confirmed(tables)
    return captioned_tradeoff(tradeoff_points(summary, HEADLINE_METRICS[0]), summary, tasks)


def _tasks(tables: Tables) -> Figure:
    return captioned_tasks(*_confirmed(tables))


def _confirmed(tables: Tables) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the summary and the estimates by task."""
    trials, task_metrics = tables["trials"], tables["task_metrics"]
    rule = rule_of(trials)
    summary = summarize(trials, task_metrics, tables["storage"], rule)
    if tradeoff_points(summary, HEADLINE_METRICS[0]).empty:
        raise ValueError("there is nothing to draw yet: no confirm trial has been completed")
    return summary, task_estimates(confirmed_results(trials, task_metrics, rule), summary)


def _agreement(tables: Tables) -> Figure:
    trials, task_metrics = tables["trials"], tables["task_metrics"]
    summary, _ = _confirmed(tables)
    confirmed = confirmed_results(trials, task_metrics, rule_of(trials))
    found = study_agreement(tables["curves"], confirmed, summary, tables["storage"])
    if found is None:
        raise ValueError(
            "there is nothing to draw: gradients were not measured (agreement.every_epochs), or no arm can be compared"
            " with shared"
        )
    return captioned_agreement(agreement_report(found), str(summary["study"].iloc[0]))


_FIGURES: dict[str, Callable[[Tables], Figure]] = {"tradeoff": _tradeoff, "tasks": _tasks, "agreement": _agreement}
