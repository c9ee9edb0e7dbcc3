"""The report of a study: tables in, ``report.md``, ``summary.csv`` and figures out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from results.analysis.agreement import study_agreement
from results.analysis.confirmed import ConfirmedResults, confirmed_results
from results.analysis.selection import rule_of
from results.analysis.summary import summarize
from results.analysis.task_estimates import task_estimates
from results.analysis.tradeoff import tradeoff_points
from results.figures.tradeoff import save_figure
from results.report import agreement_section, sections
from results.report.figures import captioned_tasks, captioned_tradeoff
from results.report.markdown import code_block, escape
from results.report.sharing_section import SharedGpu, sharing_section
from results.tables.files import replacing
from results.tables.metrics import HEADLINE_METRICS
from results.tables.store import read_table, table_path

_METRIC = HEADLINE_METRICS[0]
_FIGURES = ("tradeoff.png", "tradeoff.svg", "tasks.png", "tasks.svg")


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


@dataclass(frozen=True)
class ReportFiles:
    """The files written, and the notes printed in the report. ``figures`` is empty until an arm has confirm results."""

    report: Path
    summary_csv: Path
    figures: tuple[Path, ...]
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()


def write_report(tables: Path, folder: Path, origin: Origin | None = None) -> ReportFiles:
    """Compute the summary from a study's tables and write its report.

    Args:
        tables: Folder with ``trials``, ``task_metrics``, ``storage`` and ``failures``; with ``curves`` the report also
            shows ``update_agreement`` if it was measured.
        folder: Folder of the report; created if missing. Files of an earlier report are replaced.
        origin: Description and commands to print.

    Raises:
        ValueError: A table is missing or unreadable, or the tables contradict each other.

    Example:
        >>> import tempfile
        >>> from results.tables.store import write_tables
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tables = Path(folder, "tables")
        ...     _ = write_tables(tables, {name: [] for name in ("trials", "task_metrics", "storage", "failures")})
        ...     write_report(tables, Path(folder, "report")).report.name
        'report.md'
    """
    origin = origin or Origin()
    trials, storage, failures = (read_table(tables, name) for name in ("trials", "storage", "failures"))
    task_metrics = read_table(tables, "task_metrics")
    rule = rule_of(trials)
    summary = summarize(trials, task_metrics, storage, rule)
    confirmed = confirmed_results(trials, task_metrics, rule)
    tasks = task_estimates(confirmed, summary)
    points = tradeoff_points(summary, _METRIC)
    figures = _write_figures(folder, points, summary, tasks)
    agreement = _agreement(tables, confirmed, summary, storage)
    if agreement:
        study = str(summary["study"].iloc[0])
        figures += agreement_section.write_agreement_files(agreement, study, folder)
    else:
        for file in agreement_section.FILES:
            (folder / file).unlink(missing_ok=True)
    parts = {
        "What was run": "\n\n".join(
            [sections.what_was_run(trials, summary, origin.data_facts), *map(escape, origin.notes)]
        ),
        "Summary": sections.summary_section(summary),
        "Accuracy against added parameters": _embedded(figures, "tradeoff.png", "trade-off")
        + (f"\n\n{sections.front_sentence(points)}" if len(points) else ""),
        "Differences, paired by seed": sections.difference_section(summary),
        "Tasks": sections.task_section(tasks, _chances(confirmed, summary), rule.statement)
        + "\n\n"
        + _embedded(figures, "tasks.png", "accuracy by task"),
        **({"Agreement of gradients": agreement_section.agreement_section(agreement)} if agreement else {}),
        "Selected nuisance values": sections.nuisance_section(trials, summary),
        "Storage": sections.storage_section(summary, storage),
        "Effort": sections.effort_section(trials),
        **({"Trials on one GPU": sharing_section(origin.shared_gpus)} if origin.shared_gpus else {}),
        "Failures": sections.failure_section(failures, trials),
        "How to reproduce": code_block(origin.commands),
    }
    name = str(trials["study"].iloc[0]) if len(trials) else "without trials"
    head = [f"# Study {escape(name)}", escape(origin.description)]
    text = "\n\n".join([*filter(None, head), *(f"## {title}\n\n{body}" for title, body in parts.items())])
    report, csv = folder / "report.md", folder / "summary.csv"
    with replacing(report) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    with replacing(csv) as temporary:
        summary.to_csv(temporary, index=False, lineterminator="\n")
    return ReportFiles(report, csv, figures, summary, origin.notes)


def _agreement(
    tables: Path, confirmed: ConfirmedResults, summary: pd.DataFrame, storage: pd.DataFrame
) -> agreement_section.AgreementReport | None:
    """Return the measurements of ``update_agreement``; None if nothing can be compared."""
    if not table_path(tables, "curves").is_file():
        return None
    found = study_agreement(read_table(tables, "curves"), confirmed, summary, storage)
    return agreement_section.agreement_report(found) if found else None


def _chances(confirmed: ConfirmedResults, summary: pd.DataFrame) -> pd.DataFrame:
    """Return chance levels with one row per headline metric and one column per task."""
    by_metric = {metric: task_estimates(confirmed, summary, metric) for metric in HEADLINE_METRICS}
    return pd.DataFrame({name: rows.groupby("task")["chance"].mean() for name, rows in by_metric.items()}).T


def _write_figures(folder: Path, points: pd.DataFrame, summary: pd.DataFrame, tasks: pd.DataFrame) -> tuple[Path, ...]:
    """Write the figures; without confirm results remove those of an earlier report."""
    if points.empty:
        for name in _FIGURES:
            (folder / name).unlink(missing_ok=True)
        return ()
    drawn = {
        "tradeoff": captioned_tradeoff(points, summary, tasks),
        "tasks": captioned_tasks(summary, tasks),
    }
    paths = tuple(folder / name for name in _FIGURES)
    for path in paths:
        save_figure(drawn[path.stem], path)
    return paths


def _embedded(figures: tuple[Path, ...], name: str, title: str) -> str:
    found = [path.name for path in figures if path.name == name]
    return f"![{title}]({found[0]})" if found else "There are no confirm results to draw yet."
