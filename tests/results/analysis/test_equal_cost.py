"""Arms at equal steps beside their twins at equal cost."""

from __future__ import annotations

import pandas as pd
import pytest

from results.analysis.equal_cost import both_budgets
from results.analysis.summary import summarize
from results.report.analyses.choices import cost_numbers, seconds_numbers
from results.report.analyses.numbers import numbers_section


@pytest.fixture
def summary(study) -> pd.DataFrame:
    """Shared, separate and late at equal steps, and late once more at equal cost."""
    found = summarize(study.trials, study.task_metrics, study.storage).set_index("arm", drop=False)
    rows = found.loc[["shared", "separate", "late"]].copy()
    rows["training_cost"] = [1.0, 7.0, 2.5]
    twin = found.loc[["late"]].copy()
    twin[["arm", "arm_id", "budget", "training_cost"]] = ["late+multiply_adds", "f" * 12, "multiply_adds", 1.0]
    return pd.concat([rows, twin], ignore_index=True)


def test_an_arm_is_paired_with_its_twin_and_a_shared_network_with_itself(summary):
    shared, late = both_budgets(summary)
    assert shared.same
    assert not late.same
    assert (late.steps.arm, late.cost.arm) == ("late", "late+multiply_adds")
    assert (late.steps.training_cost, late.cost.training_cost) == (2.5, 1.0)
    assert late.steps.estimate.low < late.steps.estimate.mean < late.steps.estimate.high


def test_the_report_shows_both_where_both_were_run(summary):
    text = numbers_section(cost_numbers(summary))
    assert seconds_numbers(summary) is None
    assert "| late | " in text
    assert "separate" not in text
    steps = summary[summary["budget"] == "steps"]
    assert cost_numbers(steps) is None
    assert [row[0] for row in seconds_numbers(steps).rows] == list(steps["arm"])
