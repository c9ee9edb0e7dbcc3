"""Tables on arms as chosen: gain over separate networks, validation against test, equal steps beside equal cost."""

from __future__ import annotations

import pandas as pd

from results.analysis.equal_cost import Trained, both_budgets
from results.analysis.inference.gain import worst_gains
from results.analysis.inference.selection_bias import selection_bias
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.report.analyses.numbers import Numbers
from results.report.wording import estimate, share
from results.tables.metrics import metric_label

_SEPARATE = REFERENCE_ARMS[1]


def gain_numbers(results: Results) -> Numbers | None:
    """Every arm's relative gain over separate networks, and its lowest gain; None without them."""
    if _SEPARATE not in results.scores.arms:
        return None
    rows = tuple(
        (
            str(row["arm"]),
            estimate(row["delta_mean"], row["delta_low"], row["delta_high"], signed=True),
            str(row["worst_task"]),
            estimate(row["mean"], row["low"], row["high"], signed=True),
        )
        for row in worst_gains(results.scores).to_dict("records")
    )
    header = ("arm", f"relative gain over {_SEPARATE}", "worst task", "gain there, for all tasks at once")
    note = (
        "Triplet accuracy on test images, paired by seed, 95 % Student t. Worst task: that of the lowest gain; its"
        " interval holds for all tasks at once, since it was picked after a look."
    )
    return Numbers("Gain over separate networks", header, rows, (note,)) if rows else None


def selection_numbers(results: Results) -> Numbers | None:
    """The selected validation values beside those of fresh seeds and of test images; None without a selection."""
    found = selection_bias(results.trials, results.confirmed)
    if found.empty:
        return None
    rows = tuple(
        (
            str(row["arm"]),
            str(row["n_tune"]),
            share(row["selected"]),
            estimate(row["validation_mean"], row["validation_low"], row["validation_high"]),
            share(row["test_mean"]),
        )
        for row in found.to_dict("records")
    )
    note = (
        f"{metric_label(results.confirmed.rule.metric).capitalize()}. The selected value is the highest of several, so"
        " it flatters; fresh seeds on the same images show by how much. What remains to the test value is due to the"
        " images."
    )
    header = ("arm", "selected from", "selected value", "same values, fresh seeds", "test")
    return Numbers("Validation against test", header, rows, (note,))


def cost_numbers(summary: pd.DataFrame) -> Numbers | None:
    """Every arm at equal steps and at equal cost; None unless a study ran both."""
    rows = tuple((arm.steps.arm, *_cells(arm.steps), *_cells(arm.cost)) for arm in both_budgets(summary))
    note = (
        "Cost: multiply-adds of a training, relative to one shared network at equal steps, counted before training."
        " Seconds were measured, depend on the machine, and decide nothing. Where both columns are equal, the arm costs"
        " no more than the shared network, and its trials are the same."
    )
    header = ("arm", "at equal steps", "cost", "seconds", "at equal cost", "cost", "seconds")
    return Numbers("Equal steps and equal cost", header, rows, (note,)) if rows else None


def seconds_numbers(summary: pd.DataFrame) -> Numbers | None:
    """Cost and measured seconds of a training of every arm; None where nothing was measured, or ``cost_numbers`` is."""
    known = summary[summary["seconds_mean"].notna()]
    if known.empty or both_budgets(summary):
        return None
    rows = tuple(
        (str(row["arm"]), f"{row['training_cost']:.3g}", f"{row['seconds_mean']:,.1f}")
        for row in known.to_dict("records")
    )
    note = (
        "Cost: multiply-adds of a training, relative to one shared network. Seconds: measured, mean over confirm"
        " trials; they depend on the machine and decide nothing."
    )
    return Numbers("Cost and seconds of a training", ("arm", "cost", "seconds"), rows, (note,))


def _cells(trained: Trained) -> tuple[str, ...]:
    interval = trained.estimate
    accuracy = estimate(interval.mean, interval.low, interval.high)
    return accuracy, f"{trained.training_cost:.3g}", f"{trained.seconds:,.1f}"
