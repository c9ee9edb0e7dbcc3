"""Selected values at the edge of what their arm tried."""

from __future__ import annotations

import pandas as pd
import pytest

from results.analysis.edges import edge_choices
from results.analysis.reported import Results
from results.analysis.summary import summarize
from results.report.sections import nuisance_section


def tuned(trials, arm, rates, objectives, states=None):
    """Give the tune trials of an arm these learning rates and objectives."""
    trials = trials[(trials["arm"] == arm) & (trials["stage"] == "tune")].head(len(rates)).copy()
    own = trials.index
    trials.loc[own, "learning_rate"] = rates
    trials["objective"] = pd.Series(objectives, own, dtype=float)
    trials.loc[own, "state"] = states or ["completed"] * len(own)
    for column in ("margin", "weight_decay"):
        trials.loc[own, column] = 0.2
    return trials


@pytest.mark.parametrize(
    ("rates", "objectives", "states", "expected"),
    [
        ([1e-3, 1e-2, 3e-2], [0.6, 0.7, 0.8], None, ("highest", 3)),
        ([1e-3, 1e-2, 3e-2], [0.8, 0.7, 0.6], None, ("lowest", 3)),
        ([1e-3, 1e-2, 3e-2], [0.6, 0.8, 0.7], None, None),
        ([1e-3, 1e-2, 1e-2], [0.6, 0.8, 0.7], None, ("highest", 2)),
        ([1e-2, 1e-2, 1e-2], [0.6, 0.8, 0.7], None, None),  # nothing else was tried
        ([1e-3, 1e-2, 3e-2], [0.6, 0.8, None], ["completed", "completed", "failed"], None),  # the higher one diverged
        ([1e-3, 1e-2, 3e-2], [0.6, 0.8, 0.1], ["completed", "completed", "pruned"], None),
        ([1e-3, 1e-2, 3e-2], [0.6, 0.8, None], ["completed", "completed", "running"], ("highest", 2)),
    ],
)
def test_a_selected_rate_beyond_which_nothing_was_tried_is_found(study, rates, objectives, states, expected):
    found = edge_choices(tuned(study.trials, "late", rates, objectives, states))
    if expected is None:
        assert found == ()
    else:
        (edge,) = found
        assert (edge.side, edge.tried) == expected
        assert (edge.arm, edge.name) == ("late", "learning_rate")
        assert edge.value == (edge.low if edge.side == "lowest" else edge.high)
        assert edge.note.endswith(f"is the {edge.side} of {edge.tried} tried")


def test_an_arm_without_a_selected_trial_has_no_edge(study):
    trials = tuned(study.trials, "late", [1e-3, 1e-2, 3e-2], [None] * 3, ["failed"] * 3)
    assert edge_choices(trials) == ()


def test_summary_and_report_name_the_edges(study):
    late = study.trials["arm"] == "late"
    own = study.trials.index[late & (study.trials["stage"] == "tune")][:3]
    study.trials.loc[own, "learning_rate"] = [1e-3, 1e-2, 3e-2]
    study.trials.loc[own, "objective"] = [0.6, 0.7, 0.9]
    summary = summarize(study.trials, study.task_metrics, study.storage)
    (edge,) = (edge for edge in edge_choices(study.trials) if edge.arm == "late")
    assert summary.set_index("arm").loc["late", "at_edge"] == edge.note
    assert edge.note in nuisance_section(Results(study.trials, study.task_metrics, study.storage, study.failures))
