"""From the tables of a study to the data of its page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from results.analysis.chance import mean_chance, worst_chances
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.page.data import PageData
from results.page.model import MetricShown, TaskShown
from results.page.origin import PageOrigin
from results.page.parts.agreement import agreement_shown
from results.page.parts.arms import arms_shown, number
from results.page.parts.certainty import front_band, pairs_of
from results.page.parts.examples import examples_shown
from results.page.parts.failures import failures_shown
from results.page.parts.importance import importance_shown
from results.page.parts.modulation import modulation_shown
from results.page.parts.performance import performance_shown
from results.page.parts.provenance import facts_of
from results.page.parts.storage import storage_shown
from results.report.analyses.certainty import numbers_of
from results.report.answer import answer_sentences, best_sentence
from results.report.captions.of_study import captions_of
from results.report.captions.record import Part, caption_parts
from results.report.cautions import cautions
from results.report.failure_section import failed_arms
from results.report.statistics_section import findings
from results.report.wording import seeds_of, worst_title
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS, metric_label
from results.tables.schema import FACTORS

_CURVES = "selection metric on validation images, or loss on training images"


def build_page(results: Results, origin: PageOrigin) -> PageData:
    """Return the page of a study.

    Args:
        results: Its tables, and what is computed from them.
        origin: Facts that are not in the tables.
    """
    summary, rule, seeds = results.summary, results.confirmed.rule, seeds_of(results.summary)
    scores = results.scores
    metrics = tuple(_metrics(results))
    ranked = summary.sort_values(f"{HEADLINE_METRICS[0]}_mean", ascending=False)["arm_id"]
    return PageData(
        study=results.study,
        description=origin.description,
        answer=answer_sentences(results),
        cautions=(*cautions(results, "the section Failures"), *origin.notes, *results.networks.unread),
        captions=_captions(results),
        metrics=metrics,
        tasks=tuple(_tasks(results)),
        factors=_factors(summary),
        arms=tuple(arms_shown(results, scores, [metric.name for metric in metrics])),
        references=tuple(name for name in REFERENCE_ARMS if (summary["arm"] == name).any()),
        tied=() if results.best is None else results.best.tied,
        best=best_sentence(results),
        band=front_band(results),
        pairs=pairs_of(results.verdicts),
        importance=importance_shown(results),
        performance=performance_shown(results),
        storage=storage_shown(results),
        findings=tuple(findings(results)),
        numbers=numbers_of(results),
        agreement=agreement_shown(results.agreement),
        modulation=modulation_shown(results, [str(arm_id) for arm_id in ranked]),
        examples=examples_shown(results.networks.examples),
        failed=tuple(failed_arms(results)),
        failures=failures_shown(results.failures),
        facts=(*origin.facts, *facts_of(results.trials, seeds, rule.statement)),
        texts=origin.texts,
    )


def _captions(results: Results) -> dict[str, tuple[Part, ...]]:
    """Return what every figure says about its numbers; that of curves holds for each that a reader may pick."""
    found = captions_of(results)
    found["table"] = replace(found["table"], metric="metrics averaged over queries")
    found["curves"] = replace(found["curves"], metric=_CURVES, split="")
    return {name: caption_parts(basis) for name, basis in found.items()}


def _metrics(results: Results) -> Iterable[MetricShown]:
    """Yield the headline metrics that were measured, with the mean of their chance levels."""
    for name in HEADLINE_METRICS:
        if results.summary[f"{name}_mean"].notna().any():
            chance = mean_chance(results.confirmed, name)
            worst = worst_title(worst_chances(results.confirmed, name)).partition(" (")[2].rstrip(")")
            yield MetricShown(name, metric_label(name), TASK_METRICS[name].meaning, chance, worst)


def _tasks(results: Results) -> Iterable[TaskShown]:
    remarks = {remark.task: remark.kind for remark in results.task_remarks}
    for task, chance in zip(results.scores.tasks, results.scores.chance, strict=True):
        yield TaskShown(task, number(chance), remarks.get(task, ""))


def _factors(summary: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the levels of the factors that differ between arms."""
    levels = {column.name: tuple(summary[column.name].dropna().astype(str).unique()) for column in FACTORS}
    return {name: found for name, found in levels.items() if len(found) > 1 and name != "points"}
