"""The analyses over all arms on the page, in the Markdown and as figures: the same numbers, where there are data."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from results.analysis.importance import of_study
from results.analysis.inference.comparison import compare_arms, improvements, probability_of_improvement
from results.analysis.reported import Results
from results.analysis.storage.arms import Work
from results.analysis.storage.of_study import ArmForecast, MeasuredStorage, StorageKnown
from results.page.build import build_page
from results.page.data import PageData
from results.page.origin import PageOrigin
from results.report.analyses.importance import importance_section
from results.report.analyses.performance import performance_section
from results.report.analyses.storage import storage_at_precisions
from results.report.analyses.task_figures import gains_drawn
from results.report.figures import drawn_figures
from results.report.wording import estimate


@pytest.fixture(scope="module")
def results(tables) -> Results:
    """A study with fp16 and int8 measured of the arm late."""
    found = Results.of(tables)
    late = found.confirmed.trials.query("arm == 'late'")["trial_id"]
    accuracy = dict.fromkeys(found.scores.tasks, 0.5)
    measured = [MeasuredStorage(trial, "int8", "int8", 3_000_000, 896, accuracy) for trial in late]
    arm_id = found.summary.set_index("arm").loc["late", "arm_id"]
    bytes_by_precision = {"fp32": 12_000_000, "fp16": 6_000_000, "int8": 3_000_000}
    index = {"fp32": 3_584, "fp16": 1_792, "int8": 924}
    forecast = ArmForecast(bytes_by_precision, index, Work(9e6, 3e6, 128), Work(0.002, 0.001, 1e-7))
    return replace(found, stored_networks=StorageKnown(tuple(measured), {arm_id: forecast}))


@pytest.fixture(scope="module")
def page(results: Results) -> PageData:
    return build_page(results, PageOrigin())


def test_improvements_are_those_of_each_pair(results: Results) -> None:
    rows = improvements(results.scores, "separate").set_index("arm")
    assert set(rows.index) == set(results.scores.arms) - {"separate"}
    for arm, row in rows.iterrows():
        expected = probability_of_improvement(results.scores.of(str(arm)), results.scores.of("separate"))
        assert row["mean"] == pytest.approx(expected)
        low = compare_arms(results.verdicts, str(arm), "separate").improvement.low
        assert row["low"] == pytest.approx(math.nan if low is None else low, nan_ok=True)


def test_an_arm_is_shown_at_the_precisions_that_are_known_of_it(results: Results, page: PageData) -> None:
    late = {arm.form: arm for arm in results.stored if arm.arm == "late"}
    assert list(late) == ["fp32", "fp16", "int8"]
    row = results.summary.set_index("arm").loc["late"]
    assert late["fp32"].accuracy.mean == row["triplet_accuracy_mean"]
    assert late["fp16"].network_bytes == 6_000_000
    shared = {arm.form: arm for arm in results.stored if arm.arm == "shared"}
    assert list(shared) == ["fp32", "fp16"]  # there is no forecast of it
    assert shared["fp16"].network_bytes == results.summary.set_index("arm").loc["shared", "bytes_fp16"]
    assert late["fp16"].accuracy is None
    assert (late["int8"].network_bytes, late["int8"].total_bytes(10)) == (3_000_000, 3_008_960)
    assert late["int8"].accuracy.mean == 0.5
    assert late["int8"].change.student.mean == pytest.approx(0.5 - row["triplet_accuracy_mean"])
    assert "int8 was measured again" in storage_at_precisions(results)
    row = next(line for line in storage_at_precisions(results).splitlines() if line.startswith("| late | int8 | 0.5"))
    assert row.endswith("| 9,000,000 | 3,000,000 | 2 | 1 |")
    shown = next(stored for stored in page.storage.arms if stored.form == "int8")
    assert (shown.query, shown.image_seconds, shown.query_seconds) == (3e6, 0.002, 0.001)


def test_page_markdown_and_figures_show_the_same_numbers(results: Results, page: PageData) -> None:
    assert page.performance.reference == "separate"
    late = next(arm.id for arm in page.arms if arm.name == "late")
    improvement = page.performance.improvement[late]
    assert f"| late | {estimate(improvement.mean, improvement.low, improvement.high)} | 3 |" in (
        performance_section(results)
    )
    assert set(page.performance.told) == {
        arm.id for arm in page.arms if arm.name != "separate" and results.verdicts.of(arm.name, "separate").told_apart
    }
    effects = {effect.name: effect for effect in page.importance.confirm["accuracy"]}
    assert f"| placement | {effects['placement'].value:.3f} [" in importance_section(results)
    assert {"importance", "performance", "storage"} <= set(drawn_figures(results))
    shares = page.performance.profiles[late].share
    assert math.isclose(shares[-1], 0.0)
    assert list(shares) == sorted(shares, reverse=True)


def test_page_and_figure_show_the_same_gains(results: Results, page: PageData) -> None:
    gains = {arm.name: [one.mean for one in arm.gains] for arm in page.arms if any(arm.gains)}
    drawn = gains_drawn(results)
    panels = {
        axes.get_title(loc="left"): [bar.get_width() for bar in axes.patches] for axes in drawn.axes if axes.patches
    }
    assert panels == {arm: pytest.approx(gains[arm]) for arm in panels}
    assert {"shared", "late"} <= set(panels)


def test_a_study_without_data_for_an_analysis_shows_none(tables) -> None:
    summary = tables["summary"].query("arm == 'late'").assign(bytes_fp32=None)
    trials = tables["trials"].query("arm == 'late'")
    metrics = tables["task_metrics"].query("arm == 'late'")
    few = Results.of({**tables, "trials": trials, "task_metrics": metrics, "summary": summary})
    page = build_page(few, PageOrigin())
    assert (page.importance, page.performance, page.storage) == (None, None, None)
    assert importance_section(few) == performance_section(few) == storage_at_precisions(few) == ""
    assert not {"importance", "performance", "storage"} & set(drawn_figures(few))


def test_a_study_of_too_many_arms_says_that_the_analysis_of_variance_is_left_out(
    results: Results, page: PageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_study, "MOST_ARMS", 6)
    many = replace(results)
    shown = build_page(many, PageOrigin()).importance
    assert shown.confirm == {}
    (note,) = shown.notes
    assert note.startswith("Shares of variance are left out")
    assert note in importance_section(many)
    assert page.importance.notes == ()
