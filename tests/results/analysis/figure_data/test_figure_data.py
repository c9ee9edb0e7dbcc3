"""The data of the figures against slow loops over the tables."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from results.analysis.figure_data.curves import arm_curves
from results.analysis.figure_data.ending import endings
from results.analysis.figure_data.factor_grid import factor_grids
from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results


def results_of(study) -> Results:
    return Results(study.trials, study.task_metrics, study.storage, study.failures)


def test_ranked_arms_come_best_first_with_the_intervals_of_the_table(study):
    results = results_of(study)
    ranked = ranked_arms(results.summary)
    assert ranked["mean"].tolist() == sorted(results.summary["triplet_accuracy_mean"], reverse=True)
    by_arm = results.summary.set_index("arm")
    for row in ranked.to_dict("records"):
        assert row["low"] == by_arm.loc[row["arm"], "triplet_accuracy_low"]
        assert row["worst_task"] == by_arm.loc[row["arm"], "triplet_accuracy_worst_task_mean"]
    assert ranked_arms(results_of(study.without(stage="confirm")).summary).empty


def test_curves_are_means_and_ranges_over_the_trials_given(study):
    generator = np.random.default_rng(1)
    trials = study.trials[study.trials["stage"] == "confirm"]
    curves = pd.DataFrame(
        [
            {"trial_id": trial, "epoch": epoch, "metric": metric, "value": generator.random()}
            for trial in study.trials["trial_id"]
            for epoch in (1, 2)
            for metric in ("validation/triplet_accuracy", "train/loss")
        ]
    )
    curves.loc[0, "value"] = np.nan
    found = arm_curves(curves, trials, "validation/triplet_accuracy")
    assert list(dict.fromkeys(found["arm"])) == list(dict.fromkeys(trials["arm"]))
    assert len(found) == 2 * trials["arm"].nunique()
    for row in found.to_dict("records"):
        values = [
            line["value"]
            for line in curves.to_dict("records")
            if line["metric"] == "validation/triplet_accuracy"
            and line["epoch"] == row["epoch"]
            and line["trial_id"] in set(trials.loc[trials["arm"] == row["arm"], "trial_id"])
        ]
        assert (row["mean"], row["n"]) == (pytest.approx(np.mean(values)), len(values))
        assert (row["lowest"], row["highest"]) == (min(values), max(values))


@pytest.mark.parametrize(
    ("epochs", "means", "since", "rise", "flat"),
    [
        ((5, 10, 15, 20, 25, 30), (0.5, 0.6, 0.65, 0.7, 0.702, 0.704), 20, 0.004, True),
        ((3, 6, 9, 12), (0.5, 0.6, 0.65, 0.66), 9, 0.01, False),
        ((2, 4), (0.5, 0.6), 2, 0.1, False),
        ((1, 2, 3, 4), (0.5, 0.6, 0.7, 0.66), 3, -0.04, True),  # it falls, which longer training would not mend
        ((3,), (0.5,), None, None, False),
    ],
)
def test_a_curve_is_flat_if_it_rises_no_more_over_the_last_quarter(epochs, means, since, rise, flat):
    curves = pd.DataFrame({"arm_id": "a", "arm": "late", "epoch": epochs, "mean": means})
    (found,) = endings(curves)
    assert (found.arm, found.since, found.until, found.flat) == ("late", since, epochs[-1], flat)
    assert found.rise == (rise if rise is None else pytest.approx(rise))


def test_grids_hold_every_modulated_arm_once(study):
    summary = results_of(study).summary
    grids = factor_grids(summary)
    assert [grid.grouping for grid in grids] == ["per_task", "network_per_task"]
    named = [arm for grid in grids for line in grid.arms for cell in line for arm in cell]
    assert sorted(named) == sorted(summary.loc[summary["points"] != "", "arm"])
    for grid in grids:
        for row, column in itertools.product(range(len(grid.placements)), range(len(grid.initializations))):
            own = summary[summary["arm"].isin(grid.arms[row][column])]["triplet_accuracy_mean"]
            assert grid.mean[row, column] == pytest.approx(own.mean(), nan_ok=True)
    assert factor_grids(summary[summary["placement"] == "late"]) == ()
