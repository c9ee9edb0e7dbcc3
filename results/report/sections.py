"""The sections of a report, each from computed frames to Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import pandas as pd

from results.analysis.chance import worst_chances
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.report.markdown import bullets, escape, table
from results.report.wording import (
    ABSENT,
    STATES,
    columns_estimate,
    count,
    estimate,
    format_summary,
    listed,
    number,
    p_value,
    percent,
    reading,
    seeds_of,
    settings,
    share,
    size,
    span,
    summary_note,
    with_chance,
    worst_cell,
    worst_title,
)
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS, metric_label
from results.tables.schema import NUISANCE

_SHOWN_SECTIONS = ("network", "batches", "loss", "optimization", "evaluation", "compute")


def what_was_run(trials: pd.DataFrame, summary: pd.DataFrame, data_facts: Sequence[str] = ()) -> str:
    """Data (with ``data_facts``), tasks, network, arms, effort, seeds and software of the trials."""
    if trials.empty:
        return "No trial was started."
    config = reduce(_common, map(json.loads, trials["config"]))
    data = config.get("data", {})
    tasks = data.get("tasks", [])
    shape = {name: value for name, value in data.items() if name not in {"source", "tasks"}}
    fingerprints = ", ".join(sorted(set(trials["data_fingerprint"])))
    tuned, confirmed = (trials[trials["stage"] == stage] for stage in ("tune", "confirm"))
    effort = f"{span(tuned.groupby('arm_id').size())} tune and {span(confirmed.groupby('arm_id').size())} confirm"
    seeds = (
        f"data {listed(trials['data_seed'])}, sampler {listed(trials['sampler_seed'])}, "
        f"training {listed(tuned['train_seed'])} in tuning and {seeds_of(summary)} in the reported results"
    )
    software = sorted({settings(json.loads(text)) for text in trials["software"].unique()} - {""})
    facts = [
        f"Data: {settings(data.get('source', {}))}; {settings(shape)}; content fingerprint {fingerprints}",
        *data_facts,
        f"Tasks ({len(tasks)}): {', '.join(tasks)}",
        *(f"{name.capitalize()}: {settings(config[name])}" for name in _SHOWN_SECTIONS if config.get(name)),
        f"Arms ({len(summary)}): {', '.join(summary['arm'])}",
        f"Effort: {effort} trials per arm, {span(trials['epochs_planned'])} epochs each",
        f"Seeds: {seeds}",
        *(f"Software: {versions}" for versions in software),
    ]
    return bullets(facts)


def _common(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that two configurations share; the others are factors, nuisance values or seeds."""
    common: dict[str, Any] = {}
    for key, value in one.items():
        theirs = other.get(key)
        if theirs == value:
            common[key] = value
        elif isinstance(value, dict) and isinstance(theirs, dict):
            common[key] = _common(value, theirs)
    return common


def summary_section(results: Results) -> str:
    """The summary table and every other headline metric, each with its chance level, of the worst task too."""
    summary, chance = results.summary, results.chances.mean(axis=1)
    worst = {name: worst_chances(results.confirmed, name) for name in HEADLINE_METRICS}
    rows = format_summary(summary, chance[HEADLINE_METRICS[0]], worst[HEADLINE_METRICS[0]])
    parts = [table(list(rows[0]), [list(row.values()) for row in rows])] if rows else []
    parts.append(escape(summary_note(summary, rows[0] if rows else ())))
    others = [name for name in HEADLINE_METRICS[1:] if summary[f"{name}_mean"].notna().any()]
    if others:
        titles = ((with_chance(metric_label(n), chance[n]), worst_title(worst[n])) for n in others)
        header = ["arm", *(title for pair in titles for title in pair)]
        lines = [
            [
                row["arm"],
                *(text for n in others for text in (columns_estimate(row, n), _worst(row, n, worst[n]))),
            ]
            for row in summary.to_dict("records")
        ]
        parts += ["Other metrics on the same test images, with the same selection:", table(header, lines)]
        parts.append(
            bullets(f"{metric_label(name)}: {TASK_METRICS[name].meaning}" for name in (HEADLINE_METRICS[0], *others))
        )
    return "\n\n".join(parts)


def _worst(row: Mapping[Any, Any], metric: str, chances: Mapping[str, float]) -> str:
    return worst_cell(row[f"{metric}_worst_task_mean"], row["arm_id"], chances)


def front_sentence(points: pd.DataFrame) -> str:
    """Return the arms on the front, by ascending added parameters."""
    front = points[points["on_front"]]
    named = (f"{arm} ({count(added)})" for arm, added in zip(front["arm"], front["added_parameters"], strict=True))
    return escape(f"On the front, with their added parameters: {', '.join(named)}.")


def difference_section(results: Results) -> str:
    """Differences against each reference arm, paired by seed, with both intervals, p values and one sentence each."""
    summary = results.summary
    known = [name for name in REFERENCE_ARMS if summary[f"delta_{name}_mean"].notna().any()]
    if not known:
        return f"No reference arm ({' or '.join(REFERENCE_ARMS)}) has results to compare with."
    rule = results.verdicts.rule
    parts = [_HOW_TO_READ.format(rule=rule[0].upper() + rule[1:]), f"*{escape(summary['selection_rule'].iloc[0])}*"]
    for reference in known:
        name = f"delta_{reference}"
        rows, sentences = [], []
        for row in summary[summary[f"{name}_mean"].notna()].to_dict("records"):
            found = results.verdicts.of(row["arm"], reference)
            if found is None:
                continue
            mean, low, high = found.difference.mean, found.difference.low, found.difference.high
            bootstrap = estimate(mean, row[f"{name}_bootstrap_low"], row[f"{name}_bootstrap_high"], signed=True)
            intervals = estimate(mean, low, high, signed=True), bootstrap
            rows.append([row["arm"], *intervals, p_value(found.p), p_value(found.p_holm)])
            sentences.append(f"{reading(found)}.")
        header = [
            "arm",
            f"minus {reference} [Student t]",
            f"minus {reference} [bootstrap]",
            "p, uncorrected",
            "p (Holm)",
        ]
        parts += [f"### Against {escape(reference)}", table(header, rows), bullets(sentences)]
    return "\n\n".join(parts)


_HOW_TO_READ = (
    "Test triplet accuracy (mean over tasks) minus that of the reference arm with the same train seed, so that effects "
    "of a seed on both arms cancel. {rule} decide whether two arms are told apart, here and everywhere in the report. "
    "Two 95 % intervals, each of one pair alone and not corrected: **Student's t** assumes normal differences and is "
    "wide when seeds are few. The **percentile bootstrap** assumes no distribution but cannot extend beyond the "
    "observed values: over three seeds it excludes zero whenever all three differences have the same sign, which "
    "happens by chance one time in four. Both cover other seeds with the same images and the same selected nuisance "
    "values."
)


def task_section(tasks: pd.DataFrame, chances: pd.DataFrame, rule: str) -> str:
    """Accuracy of every arm on every task, and chance levels of all headline metrics.

    Args:
        tasks: As ``task_estimates`` returns them.
        chances: One row per metric, one column per task.
        rule: The selection rule's sentence.
    """
    if tasks.empty:
        return "There are no confirm results yet."
    names = list(tasks["task"].unique())
    cells: dict[str, dict[str, str]] = {}
    for row in tasks.to_dict("records"):
        cells.setdefault(str(row["arm"]), {})[row["task"]] = estimate(row["mean"], row["low"], row["high"])
    lines = [[arm, *(own.get(task, ABSENT) for task in names)] for arm, own in cells.items()]
    chance_rows = [
        [metric_label(str(metric)), *(share(row[name]) for name in names)] for metric, row in chances.iterrows()
    ]
    return "\n\n".join(
        [
            "Test triplet accuracy, mean and 95 % Student t interval over seeds:",
            table(["arm", *names], lines),
            f"*{escape(rule)}*",
            "Expected values for random embeddings:",
            table(["chance level", *names], chance_rows),
        ]
    )


def nuisance_section(results: Results) -> str:
    """The selected nuisance values of every arm that differ between trials, and what they reached on validation."""
    trials, summary, rule = results.trials, results.summary, results.confirmed.rule
    names = [column.name for column in NUISANCE if len(trials[column.name].unique()) > 1]
    chosen = summary.merge(trials[["trial_id", *names]], "left", left_on="selected_trial_id", right_on="trial_id")
    rows = [
        [row["arm"], *(number(row[name]) for name in names), share(row["validation_objective"]), _text(row["at_edge"])]
        for row in chosen.to_dict("records")
    ]
    objective = metric_label(rule.metric) + f" on validation images, averaged over {_AVERAGES[rule.average]}"
    header = ["arm", *names, objective, "at the edge of what was tried"]
    return f"{table(header, rows)}\n\n*{escape(rule.statement)}*"


_AVERAGES = {"query": "queries", "class": "classes"}


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else "-"


def effort_section(trials: pd.DataFrame) -> str:
    """Trials by state, epochs and seconds of every arm."""
    counted = trials.assign(**{state: trials["state"] == state for state in STATES})
    sums = counted.groupby(["arm", "stage"], sort=False)[[*STATES, "epochs_run", "seconds"]].sum()
    rows = [
        [arm, stage, *(count(int(row[name])) for name in (*STATES, "epochs_run")), f"{row['seconds']:,.0f}"]
        for (arm, stage), row in zip(sums.index, sums.to_dict("records"), strict=True)
    ]
    return table(["arm", "stage", *STATES, "epochs run", "seconds"], rows)


def storage_section(summary: pd.DataFrame, storage: pd.DataFrame) -> str:
    """Storage and computation of every arm, and where it adds parameters."""
    header = ["arm", "shared", "added", "total parameters", "added per task", "share", "fp32", "fp16"]
    header += ["vectors per image"]
    header += ["index per image fp32", "multiply-adds per image", "added at"]
    index_bytes: dict[str, float] = {}
    where: dict[str, list[str]] = {}
    for row in storage.to_dict("records"):
        if row["kind"] == "total":
            index_bytes[row["arm_id"]] = row["index_bytes_per_image_fp32"]
        if row["kind"] == "modulation":
            where.setdefault(row["arm_id"], []).append(f"{row['component']} {count(row['added_parameters'])}")
    rows = [
        [
            row["arm"],
            count(row["parameters"] - row["added_parameters"]),
            count(row["added_parameters"]),
            count(row["parameters"]),
            count(row["added_parameters_per_task"]),
            percent(row["added_share"]),
            size(row["bytes_fp32"]),
            size(row["bytes_fp16"]),
            count(row["embeddings_per_image"]),
            size(index_bytes.get(row["arm_id"])),
            count(row["multiply_adds_per_image"]),
            ", ".join(where.get(row["arm_id"], ())) or ABSENT,
        ]
        for row in summary.to_dict("records")
    ]
    note = (
        "Shared: parameters of one network without modulation; added: beyond it. Multiply-adds are for one image and"
        " all tasks. Vectors: distinct embeddings to store per image."
    )
    return f"{table(header, rows)}\n\n{note}"
