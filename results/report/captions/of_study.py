"""The record of every figure of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from results.analysis.confirmed import SPLIT
from results.analysis.figure_data.networks import ArmVectors
from results.analysis.reported import Results
from results.analysis.selection import BestTrialPerArm
from results.analysis.summary import REFERENCE_ARMS
from results.figures.canvas import Caption
from results.report.captions.record import Basis, caption_line
from results.report.wording import listed, seeds_of, share, span
from results.tables.metrics import HEADLINE_METRICS, metric_label

_SEPARATE = REFERENCE_ARMS[1]
_TEST = f"{SPLIT} images"
_INTERVAL = "95 % Student t interval over seeds"


def captions_of(results: Results) -> dict[str, Basis]:
    """Return the record of every figure that the study may have, by name of the figure or of its panel."""
    accuracy = metric_label(HEADLINE_METRICS[0])
    mean = summary_basis(results.summary, results.chance, len(results.scores.tasks))
    by_task = replace(mean, metric=accuracy, over="by task")
    gain = replace(
        by_task,
        metric=f"{accuracy} minus separate networks",
        over="by task, paired by seed",
        reading="0: as good as a network of its own",
    )
    reference, rule = results.reference or "", results.verdicts.rule
    told = f"filled: told apart from {reference} by mean accuracy ({rule})"
    return {
        "table": replace(mean, reading="bold: on the front of accuracy against added parameters"),
        "tradeoff": replace(
            mean,
            reading="line: the front; shaded: 95 % band of the highest true mean at a cost; square: shared, diamond:"
            " separate",
        ),
        "arms": replace(
            mean,
            reading=f"hollow: another arm is shown to be better; filled: cannot be told from the best ({rule})",
        ),
        "factors": replace(
            mean,
            interval="intervals are in the table",
            reading="mean over the arms of a cell; a panel for each level of the other factor; blank: no such arm",
        ),
        "tasks": replace(by_task, reading="one scale for all tasks, with a line at chance"),
        "gains": gain,
        "task_map": replace(
            gain if _SEPARATE in results.scores.arms else by_task,
            interval="intervals are in the figures by task",
        ),
        "curves": _curves(mean, results.confirmed.rule),
        "performance": replace(
            by_task,
            over=f"by task and seed, {results.tasks['task'].nunique()} tasks",
            interval="shaded: pointwise 95 % Student t interval over seeds",
            reading="share of an arm's runs (seed, task) above a score",
        ),
        "improvement": replace(
            by_task,
            over="by task, paired by seed",
            interval="95 % interval of the jackknife over seeds",
            reading=f"probability that a run of the arm beats one of {reference} on a task drawn at random; {told}",
        ),
        "relative": replace(
            by_task,
            over=f"{mean.over}, paired by seed",
            reading=f"gain over {reference} as a share of it; {told}",
        ),
        **_importances(results),
        "storage": _storage(mean),
        "agreement": _agreement(results),
        "examples": Basis(
            "nearest other images",
            _TEST,
            "one query per task",
            "no interval",
            "",
            "8 neighbours per query and arm",
            results.confirmed.rule.name,
            results.confirmed.rule.statement,
            "first the query, then its neighbours, the nearest first; solid green: same label, dashed red: another",
        ),
    }


def basis_of_storage(statement: str, seeds: Sequence[int], tasks: int, counts: Sequence[int]) -> Basis:
    """Return the record of a storage analysis.

    Args:
        statement: Of the selection rule; empty without confirm trials.
        seeds: Train seeds of the confirm trials.
        tasks: Number of tasks on which accuracy was measured.
        counts: Confirm trials behind the accuracy of each arm.
    """
    return _storage(_mean_basis(statement, listed(seeds), span(counts), tasks))


def _storage(mean: Basis) -> Basis:
    return replace(
        mean,
        metric=metric_label(HEADLINE_METRICS[0]),
        reading="filled, or coloured lines: no arm is as good in accuracy, bytes and multiply-adds and better in one;"
        " dashed lines: below fp32",
    )


def modulation_basis(results: Results, shown: ArmVectors) -> Basis:
    """Return the record of the modulation vectors of one arm."""
    rule, seeds = results.confirmed.rule, listed(shown.seeds)
    return Basis(
        f"factors after the activation, train seed {shown.seeds[0]}",
        "from the weights of confirm trials",
        "similarity: correlation of two tasks' factors over all points, each channel centred over tasks; mean over"
        " seeds",
        "no interval",
        seeds,
        trials(len(shown.seeds)),
        rule.name,
        rule.statement,
        f"tree: average linkage; association: Cramér's V of labels on {_TEST}",
    )


def summary_basis(summary: pd.DataFrame, chance: float | None, tasks: int) -> Basis:
    """Return the record of a figure of means over tasks.

    Args:
        summary: The ``summary`` table.
        chance: Mean chance level of triplet accuracy, if known.
        tasks: Their number.
    """
    statement = str(summary["selection_rule"].iloc[0]) if len(summary) else ""
    n = span(summary.loc[summary["n_seeds"] > 0, "n_seeds"])
    mean = _mean_basis(statement, seeds_of(summary), n, tasks)
    return mean if chance is None else replace(mean, metric=f"{mean.metric} (chance {share(chance)})")


def _mean_basis(statement: str, seeds: str, n: str, tasks: int) -> Basis:
    return Basis(
        metric_label(HEADLINE_METRICS[0]),
        _TEST,
        f"mean over {tasks} task{'' if tasks == 1 else 's'}",
        _INTERVAL,
        seeds,
        trials(n),
        statement.partition(":")[0],
        statement,
    )


def trials(n: object) -> str:
    """Return the number of trials of an arm in words."""
    return f"{n} {'trial' if str(n) == '1' else 'trials'} per arm"


def _curves(mean: Basis, rule: BestTrialPerArm) -> Basis:
    return replace(
        mean,
        metric=metric_label(rule.metric),
        split="validation images",
        interval="no interval",
        reading="line: mean over seeds; shaded: lowest to highest seed",
    )


def _importances(results: Results) -> dict[str, Basis]:
    """Return the records of importances over tune trials, and of shares of variance between confirm trials."""
    found, rule = results.importances, results.confirmed.rule
    return {
        "importance": Basis(
            f"importance for {metric_label(rule.metric)}, worst task and bytes (PED-ANOVA: what decides whether a trial"
            " is in the best quarter; sums to 1)",
            "validation images",
            "mean over tasks",
            "95 % Student t interval of the jackknife over trials",
            "",
            f"{found.trials} completed tune trials",
            "",
            "",
            "blue: factors, grey: nuisance values",
        ),
        "variance": Basis(
            f"share of the variance of {metric_label(HEADLINE_METRICS[0])}, worst task and bytes (type II, seeds as"
            " blocks)",
            _TEST,
            "mean over tasks",
            "95 % Student t interval of the jackknife over seeds",
            listed(found.seeds),
            f"{found.runs} confirm trials",
            rule.name,
            rule.statement,
            "blue: p < 0.05 by F test",
        ),
    }


def _agreement(results: Results) -> Basis:
    found, rule = results.agreement, results.confirmed.rule
    seeds = () if found is None else found.seeds
    epochs = () if found is None else found.epochs["last"]
    return Basis(
        "cosine between the loss gradients of two tasks",
        "training images",
        f"mean over filters and seeds, at the start of epoch {listed(epochs)}",
        "no interval",
        listed(seeds),
        trials(len(seeds)),
        rule.name,
        rule.statement,
        "blue: the tasks agree; red: they conflict",
    )


def captioned(results: Results, title: str, *bases: Basis, extra: str = "") -> Caption:
    """Return the head of an image file: the record of its panels, or of each group, and what else it must say."""
    lines = [f"Study {results.study} · {caption_line(bases[0])}", *map(caption_line, bases[1:]), extra]
    return Caption(title, "\n".join(filter(None, lines)))


def at(place: str, basis: Basis) -> Basis:
    """Return the record of some panels of an image file, with their place before it."""
    return replace(basis, metric=f"{place}: {basis.metric}")
