"""Studies side by side: shared tasks, cells against the study's own numbers, and refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from results.analysis.comparison.studies import ComparedStudy, compare_studies
from results.analysis.reported import Results
from results.report.comparison import comparison_markdown, shown_studies


def compared(name, study, **settings) -> ComparedStudy:
    return ComparedStudy(name, Results(study.trials, study.task_metrics, study.storage, study.failures), settings)


def with_tasks(study, tasks):
    return replace(study, task_metrics=study.task_metrics[study.task_metrics["task"].isin(tasks)])


def test_arms_are_compared_over_the_tasks_that_all_studies_have(study):
    two, one = ("smiling", "hat"), ("hat", "beard")
    first = compared("first", with_tasks(study, two).without(arm="all"), epochs=5, width=0.5)
    second = compared("second", with_tasks(study, one), epochs=9, width=0.5, points=["fc"])
    found = compare_studies([first, second])
    assert (found.tasks, found.left_out) == (("hat",), {"first": ("smiling",), "second": ("beard",)})
    assert ("all", "first") not in found.cells
    own = study.task_metrics
    hat = own[
        (own["arm"] == "late")
        & (own["task"] == "hat")
        & (own["split"] == "test")
        & (own["metric"] == "triplet_accuracy")
        & (own["average"] == "query")
    ]
    cell = found.cells["late", "first"]
    assert cell.accuracy.mean == pytest.approx(hat["value"].mean())
    assert cell.accuracy.low < cell.accuracy.mean < cell.accuracy.high
    assert cell.added_parameters == 6272
    assert found.differences == (("epochs", (5, 9)), ("points", (None, ["fc"])))
    assert found.same_data
    text = comparison_markdown(list(shown_studies(found)))
    assert "| arm | first (chance 0.500) | first: added | second (chance 0.500) | second: added |" in text
    assert "| epochs | 5 | 9 |" in text
    assert "Left out of first: smiling." in text


def test_other_images_are_named(study):
    moved = replace(study, trials=study.trials.assign(data_fingerprint="fedcba"))
    found = compare_studies([compared("a", study), compared("b", moved)])
    assert not found.same_data
    assert "different images or labels" in comparison_markdown(list(shown_studies(found)))


def test_studies_without_common_tasks_or_results_are_refused(study):
    with pytest.raises(ValueError, match="the studies have no task in common"):
        compare_studies([compared("a", with_tasks(study, ("hat",))), compared("b", with_tasks(study, ("beard",)))])
    with pytest.raises(ValueError, match="study b has no confirm results yet"):
        compare_studies([compared("a", study), compared("b", study.without(stage="confirm"))])
