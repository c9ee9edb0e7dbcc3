"""From the tables of a study to the data of its page."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from results.analysis.chance import mean_chance
from results.analysis.confirmed import SPLIT
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.page.data import PageData
from results.page.model import Basis, MetricShown, TaskShown
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
from results.report.answer import answer_sentences
from results.report.cautions import cautions
from results.report.wording import seeds_of, span
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS
from results.tables.schema import FACTORS

_INTERVAL = "95 % Student t interval over seeds"
_LABELS = {"map_at_r": "MAP@R", "recall_at_1": "Recall@1", "mean_average_precision": "mean average precision"}


def build_page(results: Results, origin: PageOrigin) -> PageData:
    """Return the page of a study.

    Args:
        results: Its tables, and what is computed from them.
        origin: Facts that are not in the tables.
    """
    summary, rule, seeds = results.summary, results.confirmed.rule, seeds_of(results.summary)
    scores, reported = results.scores, summary[summary["n_seeds"] > 0]
    objective = f"{_LABELS.get(rule.metric, rule.metric.replace('_', ' '))} on validation images"
    metrics = tuple(_metrics(results))
    ranked = summary.sort_values(f"{HEADLINE_METRICS[0]}_mean", ascending=False)["arm_id"]
    return PageData(
        study=results.study,
        description=origin.description,
        answer=answer_sentences(results.answer),
        cautions=(*cautions(results, "the section Failures"), *origin.notes, *origin.unread),
        basis=Basis(SPLIT, rule.name, rule.statement, seeds, span(reported["n_seeds"]), _INTERVAL, objective),
        metrics=metrics,
        tasks=tuple(_tasks(results)),
        factors=_factors(summary),
        arms=tuple(arms_shown(results, scores, [metric.name for metric in metrics])),
        references=tuple(name for name in REFERENCE_ARMS if (summary["arm"] == name).any()),
        tied=() if results.best is None else results.best.tied,
        band=front_band(results),
        pairs=pairs_of(scores),
        importance=importance_shown(results),
        performance=performance_shown(results),
        storage=storage_shown(results),
        agreement=agreement_shown(results.agreement),
        modulation=modulation_shown(origin, _study_tasks(results.trials), [str(arm_id) for arm_id in ranked]),
        examples=examples_shown(origin.examples),
        failures=failures_shown(results.failures),
        facts=(*origin.facts, *facts_of(results.trials, seeds, rule.statement)),
        texts=origin.texts,
    )


def _metrics(results: Results) -> Iterable[MetricShown]:
    """Yield the headline metrics that were measured, with the mean of their chance levels."""
    for name in HEADLINE_METRICS:
        if results.summary[f"{name}_mean"].notna().any():
            chance = mean_chance(results.confirmed, name)
            yield MetricShown(name, _LABELS.get(name, name.replace("_", " ")), TASK_METRICS[name].meaning, chance)


def _tasks(results: Results) -> Iterable[TaskShown]:
    remarks = {remark.task: remark.kind for remark in results.task_remarks}
    for task, chance in zip(results.scores.tasks, results.scores.chance, strict=True):
        yield TaskShown(task, number(chance), remarks.get(task, ""))


def _factors(summary: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the levels of the factors that differ between arms."""
    levels = {column.name: tuple(summary[column.name].dropna().astype(str).unique()) for column in FACTORS}
    return {name: found for name, found in levels.items() if len(found) > 1 and name != "points"}


def _study_tasks(trials: pd.DataFrame) -> tuple[str, ...]:
    """Return the tasks in the order of the configuration, which is that of vectors."""
    return tuple(json.loads(str(trials["config"].iloc[0]))["data"]["tasks"]) if len(trials) else ()
