import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.analysis.chance import worst_chances
from results.analysis.confirmed import confirmed_results
from results.analysis.inference.verdicts import Verdict
from results.analysis.selection import BestTrialPerArm, rule_of
from results.analysis.statistics import Interval
from results.analysis.summary import summarize
from results.analysis.task_estimates import task_estimates
from results.report.wording import (
    estimate,
    format_summary,
    percent,
    reading,
    size,
    summary_note,
    worst_cell,
    worst_title,
)
from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import SCHEMAS
from results.tables.store import read_table
from results.tables.writing import write_tables


def summary_of(study):
    return summarize(study.trials, study.task_metrics, study.storage)


def row(summary, arm):
    return summary[summary["arm"] == arm].iloc[0]


def slow_seed_means(study, arm, metric, split="test"):
    """Mean over tasks by seed, by a plain loop over rows."""
    values = {}
    for line in study.task_metrics.to_dict("records"):
        identity = (line["arm"], line["stage"], line["split"], line["metric"], line["average"])
        if identity == (arm, "confirm", split, metric, "query"):
            values.setdefault(line["train_seed"], []).append(line["value"])
    return {seed: sum(own) / len(own) for seed, own in values.items()}


def test_one_row_an_arm_in_the_order_of_the_storage_table(study):
    summary = summary_of(study)
    assert summary["arm"].tolist() == study.storage["arm"].unique().tolist()
    assert summary.columns.tolist() == SCHEMAS["summary"].names
    assert set(summary["split"]) == {"test"}
    assert set(summary["seeds"]) == {"1,2,3"}
    assert set(summary["selection_rule"]) == {BestTrialPerArm().statement}


@pytest.mark.parametrize("metric", HEADLINE_METRICS)
def test_means_equal_a_slow_loop(study, metric):
    summary = summary_of(study)
    for arm in summary["arm"]:
        expected = slow_seed_means(study, arm, metric)
        found = row(summary, arm)
        assert found[f"{metric}_mean"] == pytest.approx(sum(expected.values()) / 3)
        student = stats.ttest_1samp(list(expected.values()), 0).confidence_interval(0.95)
        assert (found[f"{metric}_low"], found[f"{metric}_high"]) == pytest.approx((student.low, student.high))
        assert found[f"{metric}_bootstrap_low"] == pytest.approx(min(expected.values()))
        assert found[f"{metric}_bootstrap_high"] == pytest.approx(max(expected.values()))


def test_differences_are_paired_by_seed(study):
    summary = summary_of(study)
    late, shared = (slow_seed_means(study, arm, "triplet_accuracy") for arm in ("late", "shared"))
    differences = [late[seed] - shared[seed] for seed in (1, 2, 3)]
    found = row(summary, "late")
    assert found["delta_shared_mean"] == pytest.approx(sum(differences) / 3)
    assert found["delta_shared_low"] < found["delta_shared_bootstrap_low"] < found["delta_shared_mean"]
    assert math.isnan(row(summary, "shared")["delta_shared_mean"])
    assert row(summary, "shared")["delta_separate_mean"] == -row(summary, "separate")["delta_shared_mean"]


def test_worst_task_is_the_lowest_mean_of_a_task(study):
    own = study.task_metrics.query("arm == 'late' and split == 'test' and metric == 'map_at_r' and average == 'query'")
    expected = min(own[own["task"] == task]["value"].mean() for task in own["task"].unique())
    assert row(summary_of(study), "late")["map_at_r_worst_task_mean"] == pytest.approx(expected)


def test_an_arm_without_confirm_results_keeps_its_row(study):
    summary = summary_of(study.without(arm="late", stage="confirm"))
    late = row(summary, "late")
    assert (late["n_seeds"], late["seeds"], late["added_parameters"]) == (0, "", 6272)
    assert math.isnan(late["triplet_accuracy_mean"])
    assert math.isnan(late["on_front_probability"])
    assert row(summary, "all")["n_seeds"] == 3


def test_a_study_that_has_just_begun_has_rows_without_numbers(study):
    summary = summarize(study.trials.head(0), study.task_metrics.head(0), study.storage)
    assert len(summary) == 7
    assert summary["triplet_accuracy_mean"].isna().all()
    assert set(summary["n_seeds"]) == {0}


def test_one_seed_has_no_interval_and_says_so(study):
    for seed in (2, 3):
        confirmed = study.trials["train_seed"] == seed
        study = type(study)(study.trials[~confirmed], study.task_metrics, study.storage, study.failures)
    late = row(summary_of(study), "late")
    assert late["n_seeds"] == 1
    assert late["triplet_accuracy_mean"] > 0.8
    assert math.isnan(late["triplet_accuracy_low"])
    assert math.isnan(late["delta_shared_low"])
    text = next(line for line in format_summary(summary_of(study)) if line["arm"] == "late")
    assert text["triplet accuracy"].endswith("[-]")
    assert text["on front"] == "-"


def test_confirm_trials_of_a_former_choice_do_not_count(study):
    """After a study was extended, another tune trial may win; the old confirm trials are still in the folder."""
    trials = study.trials.copy()
    old = (trials["arm"] == "late") & (trials["stage"] == "confirm")
    trials.loc[old, "learning_rate"] = 0.5
    summary = summarize(trials, study.task_metrics, study.storage)
    assert row(summary, "late")["n_seeds"] == 0
    assert row(summary, "all")["n_seeds"] == 3


def test_a_seed_counts_once(study):
    double = study.trials[study.trials["stage"] == "confirm"].tail(1).assign(trial_id="feed", seconds=1.0)
    with pytest.raises(
        ValueError, match=r"arm late.network_per_task: trials .*, feed share nuisance values and train_seed 3"
    ):
        summarize(pd.concat([study.trials, double]), study.task_metrics, study.storage)


def test_validation_results_of_confirm_trials_do_not_enter(study):
    expected = summary_of(study)
    study.task_metrics.loc[study.task_metrics["split"] == "validation", "value"] = 0.0
    pd.testing.assert_frame_equal(summary_of(study), expected)


def test_a_trial_that_lacks_a_task_gets_no_mean(study):
    metrics = study.task_metrics
    lost = (metrics["arm"] == "late") & (metrics["task"] == "hat") & (metrics["train_seed"] == 2)
    confirmed = confirmed_results(study.trials, metrics[~lost], BestTrialPerArm())
    late = row(summary_of(study), "late")["arm_id"]
    by_seed = confirmed.by_seed()
    assert np.isnan(by_seed.loc[late, 2])
    assert by_seed.drop(index=late).notna().all(axis=None)


def test_a_task_undefined_for_all_is_left_out(study):
    study.task_metrics.loc[study.task_metrics["task"] == "hat", "value"] = np.nan
    confirmed = confirmed_results(study.trials, study.task_metrics, BestTrialPerArm())
    assert confirmed.by_task().columns.tolist() == [t for t in study.task_metrics["task"].unique() if t != "hat"]
    assert confirmed.by_seed().notna().all(axis=None)


def test_front_probability_and_storage(study):
    summary = summary_of(study)
    assert row(summary, "shared")["on_front_probability"] == 1
    assert row(summary, "embedding+disjoint(0)-frozen")["on_front_probability"] < 0.5
    late = row(summary, "late")
    assert late["added_parameters"] == 6272
    assert late["added_share"] == pytest.approx(6272 / 2_953_664)
    assert late["bytes_fp32"] == 4 * (2_953_664 + 6272)
    assert row(summary, "separate")["added_share"] == pytest.approx(6)


def test_summary_does_not_depend_on_the_order_of_rows(study):
    shuffled = (frame.sample(frac=1, random_state=0) for frame in (study.trials, study.task_metrics))
    again = summarize(*shuffled, study.storage)
    pd.testing.assert_frame_equal(again, summary_of(study), check_exact=False, rtol=1e-12)


def test_summary_is_the_same_from_disk(tmp_path, study):
    summary = summary_of(study)
    write_tables(
        tmp_path,
        {"trials": study.trials, "task_metrics": study.task_metrics, "storage": study.storage, "summary": summary},
    )
    again = summarize(*(read_table(tmp_path, name) for name in ("trials", "task_metrics", "storage")))
    pd.testing.assert_frame_equal(again, summary)
    pd.testing.assert_frame_equal(read_table(tmp_path, "summary"), summary)


def test_task_estimates_equal_a_slow_loop(study):
    confirmed = confirmed_results(study.trials, study.task_metrics, BestTrialPerArm())
    tasks = task_estimates(confirmed, summary_of(study), "recall_at_1", "class")
    assert len(tasks) == 49
    for line in tasks.to_dict("records"):
        own = study.task_metrics[
            (study.task_metrics["arm"] == line["arm"])
            & (study.task_metrics["task"] == line["task"])
            & (study.task_metrics["split"] == "test")
            & (study.task_metrics["metric"] == "recall_at_1")
            & (study.task_metrics["average"] == "class")
        ]
        assert line["mean"] == pytest.approx(own["value"].mean())
        assert line["low"] <= line["mean"] <= line["high"]
        assert line["chance"] == 0.5


def test_summary_in_words(study):
    lines = format_summary(summary_of(study))
    assert {tuple(line) for line in lines} == {tuple(lines[0])}
    late = next(line for line in lines if line["arm"] == "late")
    assert late["added parameters"] == "6,272"
    assert late["added"] == "0.21 %"
    assert late["size fp32"] == "11.8 MB"
    assert "best_trial_per_arm" in summary_note(summary_of(study))
    assert "seeds 1, 2, 3" in summary_note(summary_of(study))


def test_the_worst_task_has_its_own_chance_level(study):
    """In the title where all arms share it, else beside each value: worst tasks of Recall@1 have unequal chance."""
    metrics = study.task_metrics
    worst = metrics["task"].map({task: 0.1 * place for place, task in enumerate(metrics["task"].unique())})
    low = (metrics["arm"] == "late") & (metrics["task"] == "male")
    value = metrics["value"].mask(low, 0.1)
    unequal = metrics.assign(value=value, chance=worst.where(metrics["metric"] == "recall_at_1", 0.5))
    confirmed = confirmed_results(study.trials, unequal, rule_of(study.trials))
    chances = worst_chances(confirmed, "recall_at_1")
    means = confirmed.by_task("recall_at_1").groupby("arm_id").mean()
    for arm_id, chance in chances.items():
        task = min(means.columns, key=lambda name: means.loc[arm_id, name])
        assert chance == pytest.approx(worst[metrics["task"] == task].iloc[0])
    assert len(set(chances.values())) > 1
    assert worst_title(chances) == "worst task"
    first, chance = next(iter(chances.items()))
    assert worst_cell(0.25, first, chances) == f"0.250 (chance {chance:.3f})"
    equal = worst_chances(confirmed, "triplet_accuracy")
    assert (worst_title(equal), worst_cell(0.25, first, equal)) == ("worst task (chance 0.500)", "0.250")


def test_readings_follow_the_corrected_test():
    def read(mean, low, high, p, p_holm):
        return reading(Verdict("late", "shared", Interval(mean, low, high, 3), p, p_holm, 15))

    assert read(0.1, 0.05, 0.15, 0.001, 0.01) == "late beats shared by 0.100 [0.050, 0.150]"
    assert read(-0.1, -0.15, -0.05, 0.001, 0.01) == "late stays below shared by 0.100 [0.050, 0.150]"
    assert read(0.1, -0.01, 0.21, 0.06, 0.9).endswith("cannot be told apart: +0.100 [-0.010, +0.210]")
    assert read(0.1, 0.01, 0.19, 0.04, 0.6) == (
        "late and shared cannot be told apart: +0.100 [+0.010, +0.190]; zero lies outside, but not after the correction"
        " for 15 pairs"
    )
    assert "no conclusion" in read(0.1, None, None, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (size(999), "999 B"),
        (size(11_814_656), "11.8 MB"),
        (size(2_500_000_000_000), "2.5 TB"),
        (percent(6.0), "600 %"),
        (percent(0.0021), "0.21 %"),
        (percent(0.0), "0 %"),
        (percent(None), "-"),
        (estimate(0.5, None, None), "0.500 [-]"),
        (estimate(math.nan, 0.1, 0.2), "-"),
        (estimate(-0.5, -0.6, -0.4, signed=True), "-0.500 [-0.600, -0.400]"),
    ],
)
def test_numbers_in_words(text, expected):
    assert text == expected
