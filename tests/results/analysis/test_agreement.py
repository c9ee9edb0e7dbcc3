"""Update agreement without and with modulation, against slow loops over made-up curves."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from results.analysis.agreement import study_agreement
from results.analysis.agreement_correlation import Coefficient, Correlation, over_cells, over_units, pearson
from results.analysis.agreement_tables import changes_of, mean_of, pair_table, stage_table
from results.analysis.confirmed import confirmed_results
from results.analysis.selection import rule_of
from results.analysis.summary import summarize
from results.figures.canvas import Caption
from results.figures.networks.agreement import agreement_figure, scatter_title, shown_arm
from results.report.agreement_section import agreement_report, agreement_section, sentence
from results.report.report import write_report
from results.tables.writing import write_tables

TASKS = ("smiling", "mouth_open", "glasses", "hat", "blond_hair", "beard", "male")
STAGES = ("conv1", "fc")
SEEDS = (1, 2, 3)
MEASURED = ("shared", "late", "all")


def made_curves(study, missing=()):
    """Values in every trial of the measured arms at epochs 2 and 4, pairs named in either order."""
    generator = np.random.default_rng(5)
    rows = []
    for trial in study.trials.to_dict("records"):
        if trial["arm"] not in MEASURED:
            continue
        for epoch, stage in itertools.product((2, 4), STAGES):
            values = {f"conflict_share/{stage}": generator.uniform()}
            values |= {f"update/{stage}/{task}": generator.normal() for task in TASKS}
            for one, other in itertools.combinations(TASKS, 2):
                pair = f"{other}:{one}" if generator.uniform() < 0.5 else f"{one}:{other}"
                if (trial["arm"], stage, one, other) not in missing:
                    values[f"cosine/{stage}/{pair}"] = generator.normal()
            identity = {name: trial[name] for name in ("study", "trial_id", "arm_id", "stage")}
            rows += [
                {**identity, "epoch": epoch, "metric": f"update_agreement/{name}", "value": value}
                for name, value in values.items()
            ]
    rows.append({**rows[0], "metric": "train/loss", "value": 1.0})
    return pd.DataFrame(rows)


def gathered(study, curves):
    confirmed = confirmed_results(study.trials, study.task_metrics, rule_of(study.trials))
    summary = summarize(study.trials, study.task_metrics, study.storage)
    return study_agreement(curves, confirmed, summary, study.storage)


def slow_value(study, curves, arm, seed, metrics, *, epoch=4):
    """The first value found under one of the names, by looking at every row."""
    for trial in study.trials.to_dict("records"):
        if (trial["arm"], trial["stage"], trial["train_seed"]) == (arm, "confirm", seed):
            for row in curves.to_dict("records"):
                if row["trial_id"] == trial["trial_id"] and row["epoch"] == epoch and row["metric"] in metrics:
                    return row["value"]
    return None


def slow_cosine(study, curves, arm, seed, cell):
    stage, one, other = cell
    start = f"update_agreement/cosine/{stage}/"
    return slow_value(study, curves, arm, seed, {f"{start}{one}:{other}", f"{start}{other}:{one}"})


@pytest.fixture
def small(study):
    curves = made_curves(study, missing={("late", "fc", TASKS[0], TASKS[1])})
    return study, curves, gathered(study, curves)


def test_arms_axes_and_epochs(small):
    found = small[2]
    assert list(found.arms.values()) == ["late", "all"]
    assert (found.seeds, found.stages, found.tasks) == (SEEDS, STAGES, TASKS)
    assert found.epochs == {"first": (2,), "last": (4,)}
    assert found.arms[shown_arm(found)] == "late"


def test_pairs_are_compared_with_the_same_seed(small):
    study, curves, found = small
    rows = pair_table(found)
    cells = {tuple(row[:4]): row for row in rows.itertuples(index=False)}
    assert len(cells) == 2 * 2 * 21 - 1
    assert ("late", "fc", TASKS[0], TASKS[1]) not in cells
    for key in (("late", "conv1", TASKS[0], TASKS[3]), ("all", "fc", TASKS[5], TASKS[6])):
        arm, stage, one, other = key
        ours, theirs = ([slow_cosine(study, curves, a, s, (stage, one, other)) for s in SEEDS] for a in (arm, "shared"))
        change = np.subtract(ours, theirs)
        half = stats.t.ppf(0.975, 2) * np.std(change, ddof=1) / np.sqrt(3)
        row = cells[key]
        assert (row.shared, row.modulated) == pytest.approx((np.mean(theirs), np.mean(ours)))
        mean = change.mean()
        assert (row.change, row.low, row.high) == pytest.approx((mean, mean - half, mean + half))
        assert row.n_seeds == 3


def test_a_cell_that_one_arm_lacks_counts_in_neither(small):
    study, curves, found = small
    changes, seed, task = changes_of(found), 2, TASKS[0]
    differences = []
    for stage, other in itertools.product(STAGES, TASKS[1:]):
        ours = slow_cosine(study, curves, "late", seed, (stage, task, other))
        if ours is not None:
            differences.append(ours - slow_cosine(study, curves, "shared", seed, (stage, task, other)))
    assert len(differences) == 11
    assert changes.cosine[0, 1, 0] == pytest.approx(np.mean(differences))
    metrics = study.task_metrics
    own = metrics[
        (metrics["split"] == "test") & (metrics["metric"] == "triplet_accuracy") & (metrics["average"] == "query")
    ].set_index(["arm", "train_seed", "task"])["value"]
    assert changes.gain[1, 0, 3] == pytest.approx(own["all", 1, TASKS[3]] - own["shared", 1, TASKS[3]])


def test_stages_show_both_moments(small):
    study, curves, found = small
    rows = stage_table(found).set_index(["arm", "stage", "moment"])
    name = {"update_agreement/conflict_share/fc"}
    for moment, epoch in (("first", 2), ("last", 4)):
        slow = np.mean([slow_value(study, curves, "all", seed, name, epoch=epoch) for seed in SEEDS])
        assert rows.loc[("all", "fc", moment), "conflict_share"] == pytest.approx(slow)


def test_nothing_to_compare_is_none(study):
    curves = made_curves(study)
    shared = study.trials.loc[study.trials["arm"] == "shared", "arm_id"].iloc[0]
    assert gathered(study, curves[curves["arm_id"] != shared]) is None
    assert gathered(study, curves[curves["arm_id"] == shared]) is None
    assert gathered(study, curves[curves["metric"] == "train/loss"]) is None


def test_means_of_what_exists():
    assert mean_of(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]), (1,)) == pytest.approx([2.0, np.nan], nan_ok=True)


def test_coefficients_are_those_of_scipy_and_p_that_of_all_permutations():
    generator = np.random.default_rng(1)
    x = generator.normal(size=6)
    y = x + generator.normal(size=6)
    found = over_units(np.append(x, np.nan), np.append(y, 1.0), "tasks")
    assert found.n == 6
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
    slow = [abs(stats.pearsonr(list(order), y).statistic) for order in itertools.permutations(x)]
    share = np.mean([value >= abs(found.pearson.value) - 1e-12 for value in slow])
    assert found.pearson.p == pytest.approx(share, abs=0.02)
    assert found.pearson.low < found.pearson.value < found.pearson.high


def test_cells_of_one_task_are_no_independent_points():
    """Gain and predictor depend on the task alone and agree by chance of 5 tasks: 100 cells must not make that sure."""
    tasks = np.array([0.0, 1.0, 2.0, 4.0, 3.0])
    noise = np.random.default_rng(2).normal(scale=0.01, size=(2, 5, 20))
    found = over_cells(tasks[:, None] + noise[0], np.array([0.0, 2.0, 1.0, 3.0, 4.0])[:, None] + noise[1])
    assert found.n == 100
    assert stats.pearsonr(np.repeat(tasks, 20), np.repeat([0.0, 2.0, 1.0, 3.0, 4.0], 20)).pvalue < 1e-10
    assert found.pearson.p > 0.03
    assert found.pearson.high - found.pearson.low > 0.3


def test_too_few_or_equal_points_are_refused_in_words():
    four = np.array([1.0, 2.0, 3.0, 4.0])
    assert over_units(four, four, "arms").refusal == "needs at least 5 arms with both values, there are 4"
    table = np.tile(np.arange(6.0)[:, None], 6) + np.arange(6.0)
    gap = np.where(np.eye(6) * [1, 1, 0, 0, 0, 0] > 0, np.nan, table)
    assert over_cells(gap, table).refusal == "needs at least 5 arms with both values, there are 4"
    assert over_cells(np.full((6, 6), np.nan), table).refusal.startswith("needs at least 5 tasks")
    assert over_units(np.ones(6), np.arange(6.0), "tasks").refusal == "one of the two does not vary"
    assert np.isnan(pearson(np.ones(3), np.arange(3.0)))
    assert scatter_title(Correlation(4, refusal="why")) == "No correlation: why"


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.001, "associated with less gain"), (0.02, "p below 0.05 on its own"), (0.2, "not distinguishable from no")],
)
def test_the_verdict_counts_how_many_were_computed(p, words):
    found = Coefficient(-0.5, -0.9, -0.1, p)
    assert words in sentence("change", Correlation(7, found, found), together=9)


def test_figure_has_one_scale_around_zero_and_one_point_a_cell(small):
    found = small[2]
    report = agreement_report(found)
    figure = agreement_figure(found, report.changes, Correlation(14, refusal="few"), Caption("Title", "Note."))
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 2 * len(STAGES)
    assert {(image.norm.vmin, image.norm.vmax) for image in images} == {(-images[0].norm.vmax, images[0].norm.vmax)}
    scatter = next(axes for axes in figure.axes if axes.get_ylabel() == "gain in test triplet accuracy")
    assert sum(len(line.get_xdata()) for line in scatter.lines if line.get_marker() == "o") == 14
    text = agreement_section(report)
    assert "needs at least 5 arms with both values, there are 2" in text
    assert "measured at the start of epoch 4 (first measured: epoch 2)" in text


def test_report_shows_it_only_where_it_was_measured(tmp_path, study):
    for arm in sorted(set(study.trials["arm"]) - set(MEASURED)):
        study = study.without(arm=arm)
    storage = study.storage[study.storage["arm"].isin(MEASURED)]
    named = {"trials": study.trials, "task_metrics": study.task_metrics, "storage": storage, "failures": []}
    write_tables(tmp_path, named | {"curves": made_curves(study)})
    files = write_report(tmp_path, tmp_path / "report")
    assert "## Agreement of gradients" in files.details.read_text()
    assert {"agreement.png", "agreement.svg"} <= {path.name for path in files.figures}
    assert len(pd.read_csv(tmp_path / "report" / "agreement.csv")) == 2 * 2 * 21
    begun = study.without(stage="confirm")
    write_tables(tmp_path, {"trials": begun.trials, "task_metrics": begun.task_metrics})
    assert "Agreement of gradients" not in write_report(tmp_path, tmp_path / "report").details.read_text()
    assert not list((tmp_path / "report").glob("agreement*"))
