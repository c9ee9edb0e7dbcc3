"""The report of a study: tables in; ``report.md``, ``details.md``, ``summary.csv`` and figures out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from results.analysis.answer.answer import METRIC
from results.analysis.chance import worst_chances
from results.analysis.reported import Results, read_results
from results.figures.canvas import save_figure
from results.report import agreement_section, sections
from results.report.analyses.certainty import numbers_of
from results.report.analyses.importance import importance_section
from results.report.analyses.numbers import numbers_section
from results.report.analyses.performance import performance_section
from results.report.analyses.storage import storage_at_precisions
from results.report.answer import answer_sentences, best_sentence
from results.report.cautions import at_the_edge, end_of_training
from results.report.failure_section import failure_section
from results.report.figures import FIGURES, drawn_figures
from results.report.markdown import code_block, escape
from results.report.opening import Origin, embedded, opening
from results.report.sharing_section import sharing_section
from results.report.statistics_section import statistics_section
from results.tables.files import replacing


@dataclass(frozen=True)
class ReportFiles:
    """The files written, and what they say first. ``figures`` is empty until an arm has confirm results.

    Attributes:
        report: ``report.md``: the answer, a table, two figures, and what to beware of.
        summary_csv: the ``summary`` table.
        figures: all figures.
        summary: the ``summary`` table.
        notes: remarks on the trials, printed in the report.
        answer: the sentences that the report opens with.
        chance: mean chance level of triplet accuracy, if known.
        worst_chances: that of the worst task by ``arm_id``.
        remarks: below the table: the arms that cannot be told from the best, choices at the edge of what was tried.
        details: ``details.md``: every further section.
        page: ``report.html``, which ``results.page`` writes.
    """

    report: Path
    summary_csv: Path
    figures: tuple[Path, ...]
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    chance: float | None = None
    worst_chances: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    details: Path | None = None
    page: Path | None = None


def write_report(tables: Path | Results, folder: Path, origin: Origin | None = None) -> ReportFiles:
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
        >>> from results.tables.writing import write_tables
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tables = Path(folder, "tables")
        ...     _ = write_tables(tables, {name: [] for name in ("trials", "task_metrics", "storage", "failures")})
        ...     write_report(tables, Path(folder, "report")).report.name
        'report.md'
    """
    origin = origin or Origin()
    results = tables if isinstance(tables, Results) else read_results(tables)
    agreement = _agreement(results)
    figures = _write_figures(folder, results)
    if agreement:
        figures += agreement_section.write_agreement_files(agreement, results, folder)
    else:
        for file in agreement_section.FILES:
            (folder / file).unlink(missing_ok=True)
    answer = answer_sentences(results)
    report = _write(folder / "report.md", opening(results, answer, origin, figures))
    details = _write(folder / "details.md", _details(results, agreement, origin, figures))
    csv = folder / "summary.csv"
    with replacing(csv) as temporary:
        results.summary.to_csv(temporary, index=False, lineterminator="\n")
    worst = worst_chances(results.confirmed, METRIC)
    remarks = tuple(filter(None, (best_sentence(results), *at_the_edge(results.summary))))
    return ReportFiles(
        report, csv, figures, results.summary, origin.notes, answer, results.chance, worst, remarks, details
    )


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def _details(
    results: Results, agreement: agreement_section.AgreementReport | None, origin: Origin, figures: tuple[Path, ...]
) -> str:
    """Return the further sections."""
    trials, summary = results.trials, results.summary
    parts = {
        "What was run": sections.what_was_run(trials, summary, origin.data_facts),
        "Summary": sections.summary_section(results),
        "Accuracy against added parameters": embedded(figures, "tradeoff.png", "trade-off")
        + (f"\n\n{sections.front_sentence(results.points)}" if len(results.points) else ""),
        "Differences, paired by seed": sections.difference_section(results),
        "What seeds can tell": statistics_section(results),
        **{numbers.title: numbers_section(numbers) for numbers in numbers_of(results)},
        "Tasks": sections.task_section(results.tasks, results.chances, results.confirmed.rule.statement)
        + "\n\n"
        + embedded(figures, "tasks.png", "accuracy by task"),
        **_further(results, figures),
        **({"Agreement of gradients": agreement_section.agreement_section(agreement)} if agreement else {}),
        **_analyses(results, figures),
        "Selected nuisance values": sections.nuisance_section(results),
        "Storage": sections.storage_section(summary, results.storage),
        "Effort": sections.effort_section(trials),
        **({"Trials on one GPU": sharing_section(origin.shared_gpus)} if origin.shared_gpus else {}),
        "Failures": failure_section(results),
        "How to reproduce": code_block(origin.commands),
    }
    head = [f"# Study {escape(results.study)}: details", "The answer is in [report.md](report.md)."]
    return "\n\n".join([*head, *(f"## {title}\n\n{body}" for title, body in parts.items())])


def _analyses(results: Results, figures: tuple[Path, ...]) -> dict[str, str]:
    """Return the sections on all arms that the study has data for, by title, each with its figure."""
    drawn = {path.name for path in figures}
    found = {
        "What matters": ("importance.png", importance_section(results)),
        "Performance profiles and probability of improvement": ("performance.png", performance_section(results)),
        "Storage at every precision": ("storage.png", storage_at_precisions(results)),
    }
    return {
        title: "\n\n".join(filter(None, (embedded(figures, name, title) if name in drawn else "", text)))
        for title, (name, text) in found.items()
        if text or name in drawn
    }


def _further(results: Results, figures: tuple[Path, ...]) -> dict[str, str]:
    """Return the figures without a section of their own, by title; below the curves, whether they are flat."""
    titles = {
        "arms": "Arms ranked",
        "gains": "Gain over separate networks",
        "task_map": "Every arm on every task",
        "factors": "Placement, initialization and grouping",
        "curves": "Training",
        "modulation": "Modulation vectors",
        "examples": "Retrieval examples",
    }
    drawn = {path.name for path in figures}
    found = {title: embedded(figures, f"{n}.png", title) for n, title in titles.items() if f"{n}.png" in drawn}
    if "Training" in found and (ended := end_of_training(results)):
        found["Training"] += f"\n\n{escape(ended[0].upper() + ended[1:])}."
    return found


def _agreement(results: Results) -> agreement_section.AgreementReport | None:
    """Return the measurements of ``update_agreement``; None if nothing can be compared."""
    found = results.agreement
    return agreement_section.agreement_report(found) if found else None


def _write_figures(folder: Path, results: Results) -> tuple[Path, ...]:
    """Write the figures, and remove those of an earlier report that can no longer be drawn."""
    drawn = drawn_figures(results)
    paths: list[Path] = []
    for name in FIGURES:
        files = [folder / f"{name}.png", folder / f"{name}.svg"]
        if name in drawn:
            save_figure(drawn[name], *files)
            paths += files
        else:
            for path in files:
                path.unlink(missing_ok=True)
    return tuple(paths)
