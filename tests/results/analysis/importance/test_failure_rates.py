"""Shares of trials without a result, by level, against a slow count."""

from __future__ import annotations

import pandas as pd

from results.analysis.importance.failure_rates import failure_rates
from results.analysis.reported import Results
from results.report.failure_section import failure_section
from results.tables.schema import INFEASIBLE


def failure(trial_id, kind, message="m", arm="late"):
    return {"trial_id": trial_id, "arm": arm, "stage": "tune", "kind": kind, "message": message, "attempt": 1}


def failing(study):
    """The made-up study, of whose first trials one diverged, one is infeasible, one has failed, one was lost once."""
    trials = study.trials.copy()
    diverged, infeasible, crashed, lost = trials["trial_id"].head(4)
    trials.loc[trials["trial_id"].isin([diverged, infeasible, crashed]), "state"] = "failed"
    failures = pd.DataFrame(
        [
            failure(diverged, "diverged"),
            failure(infeasible, "out_of_memory"),
            failure(infeasible, "out_of_memory", f"{INFEASIBLE}, alone on a GPU: none"),
            failure(crashed, "crashed"),
            failure(lost, "lost"),
        ]
    )
    return trials, failures


def test_rates_are_those_of_a_slow_count(study):
    trials, failures = failing(study)
    rates = failure_rates(trials, failures)
    for row in rates[rates["factor"] == "placement"].to_dict("records"):
        own = [trial for trial in trials.to_dict("records") if trial["placement"] == row["level"]]
        failed = [trial for trial in own if trial["state"] == "failed"]
        assert (row["trials"], row["without_result"]) == (len(own), len(failed))
        assert row["rate"] == len(failed) / len(own)
    of_placement = rates[rates["factor"] == "placement"]
    sums = of_placement[["without_result", "diverged", "infeasible", "failed_attempts", "lost"]].sum()
    assert list(sums) == [3, 1, 1, 4, 1]


def test_nuisance_values_count_in_tune_trials_by_value_or_by_half(study):
    trials, failures = failing(study)
    tune = trials["stage"] == "tune"
    trials.loc[tune, "images_per_batch"] = [(16, 96)[place % 2] for place in range(tune.sum())]
    trials.loc[tune, "learning_rate"] = [10.0**-place for place in range(tune.sum())]
    rates = failure_rates(trials, failures)
    batches = rates[rates["factor"] == "images_per_batch"]
    assert list(batches["level"]) == ["16", "96"]
    assert batches["trials"].sum() == tune.sum()
    halves = rates[rates["factor"] == "learning_rate"]
    assert [level.split()[0] for level in halves["level"]] == ["at", "above"]
    assert halves["trials"].sum() == tune.sum()


def test_what_does_not_vary_has_no_rows(study):
    assert "balancing" not in set(failure_rates(*failing(study))["factor"])


def test_the_report_shows_every_level(study):
    trials, failures = failing(study)
    section = failure_section(Results(trials, study.task_metrics, study.storage, failures))
    for level in trials["placement"].unique():
        assert f"| placement: {level} |" in section
    assert "its means are over the trials that remain" in section
