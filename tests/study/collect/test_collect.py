from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.tables.store import read_table
from study.collect.collect import build_results, build_tables, collect
from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress

TIMES = ["software", "seconds", "attempts"]


def changed(plan: StudyPlan, **sections: object) -> StudyPlan:
    return compile_plan(StudyDefinition.model_validate({**plan.definition.to_dict(), **sections}))


def test_tables_of_a_whole_study(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    journaling.play(plan)
    tables = collect(folder)
    trials = tables["trials"]
    assert len(trials) == 3 * (3 + 2)
    assert set(trials["state"]) == {"completed"}
    assert list(trials["arm"].drop_duplicates()) == ["shared", "separate", "late"]
    late = trials[trials["arm"] == "late"]
    assert list(late["stage"]) == ["tune"] * 3 + ["confirm"] * 2
    assert list(late["trial_index"]) == [0, 1, 2, 0, 1]
    assert list(late["round"]) == [0, 0, 1, 0, 0]
    assert list(late["train_seed"]) == [0, 0, 0, 1, 2]
    best = late[late["stage"] == "tune"].sort_values("objective").iloc[-1]
    assert set(late[late["stage"] == "confirm"]["learning_rate"]) == {best["learning_rate"]}
    assert set(tables["task_metrics"]["split"]) == {"validation", "test"}
    tuned = tables["task_metrics"][tables["task_metrics"]["stage"] == "tune"]
    assert set(tuned["split"]) == {"validation"}
    assert len(tables["curves"]) == len(trials) * 2 * 2
    assert len(tables["summary"]) == 3
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(read_table(folder.tables, name), frame)


def test_tables_do_not_depend_on_the_order_in_which_trials_ended(
    plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    first = journaling.play(plan)
    one = collect(folder)
    shutil.rmtree(folder.trials)
    second = journaling.play(plan, backwards=True)
    assert [trial.trial_id for trial in first] != [trial.trial_id for trial in second]
    other = collect(folder)
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])


def test_a_study_that_was_not_begun_has_waiting_trials(plan: StudyPlan, folder: RunFolder) -> None:
    assert len(collect(folder)["trials"]) == 0  # a reader draws nothing
    assert read_progress(folder).total == plan.trials
    progress_of(plan, {}, DrawnRounds(folder))  # as a driver that is killed before the first trial
    tables = collect(folder)
    assert set(tables["trials"]["state"]) == {"waiting"}
    assert len(tables["trials"]) == 3 * 2  # the first round of every arm; the rest is not decided yet
    assert len(tables["task_metrics"]) == len(tables["failures"]) == 0
    assert list(tables["summary"]["n_seeds"]) == [0, 0, 0]
    assert len(tables["storage"]) == sum(len(arm.storage.components) + 1 for arm in plan.arms)


def test_failures_and_unfinished_trials(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    first, second = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune
    journaling.start(first, epochs=1)
    journaling.append(first, "failed", kind="crashed", message="two\nlines", traceback="Traceback")
    journaling.start(first, epochs=2, attempt=2)
    journaling.start(second, epochs=1)
    journaling.append(second, "failed", kind="diverged", message="loss is nan", traceback="")
    tables = collect(folder)
    trials = tables["trials"].set_index("trial_id")
    assert trials.loc[first.trial_id, ["state", "attempts", "epochs_run"]].tolist() == ["running", 2, 2]
    assert trials.loc[second.trial_id, ["state", "epochs_run"]].tolist() == ["failed", 1]
    assert json.loads(trials.loc[first.trial_id, "software"]) == {"python": "3.11", "torch": "2.13"}
    failures = tables["failures"]
    assert failures[["kind", "message", "attempt", "host"]].to_numpy().tolist() == [
        ["crashed", "two lines", 1, "node1"],
        ["diverged", "loss is nan", 1, "node1"],
    ]


def test_a_metric_that_was_not_finite_is_empty(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    trial = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune[0]
    journaling.start(trial, epochs=0)
    journaling.append(trial, "epoch", epoch=1, seconds=1.0, metrics={"train/loss": float("nan")})
    assert collect(folder)["curves"]["value"].isna().all()


def test_halving_ends_trials_and_their_records(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    plan = changed(plan, search={"trials_per_arm": 2, "round_size": 2, "halving": {"rungs": [1], "keep": 0.5}})
    write_plan(plan, folder)
    trials = progress_of(plan, {}, DrawnRounds()).arms[0][1].tune
    for trial in trials:
        journaling.start(trial, epochs=1)
        journaling.append(trial, "paused", epoch=1, objective=journaling.accuracy(trial))
    worst = min(trials, key=journaling.accuracy)
    table = collect(folder)["trials"].set_index("trial_id")
    assert table.loc[worst.trial_id, ["state", "epochs_run"]].tolist() == ["pruned", 1]
    assert table.loc[worst.trial_id, "objective"] == journaling.accuracy(worst)
    (other,) = {trial.trial_id for trial in trials} - {worst.trial_id}
    assert table.loc[other, "state"] == "waiting"


def test_trials_that_the_study_no_longer_asks_for_are_left_out(
    plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    journaling.play(plan)
    before = collect(folder)
    fewer = changed(plan, search={"trials_per_arm": 2, "round_size": 2}, confirm={"seeds": [2]})
    write_plan(fewer, folder)
    table = collect(folder)["trials"]
    assert (table["stage"] == "tune").sum() == 3 * 2
    assert set(table[table["stage"] == "confirm"]["train_seed"]) == {2}
    longer = changed(plan, optimization={"epochs": 3})
    assert not read_progress(folder, longer).done
    write_plan(plan, folder)
    pd.testing.assert_frame_equal(collect(folder)["trials"], before["trials"])


def test_mlflow_run_ids_come_from_what_tracking_noted(plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    (trial, *_) = journaling.play(plan)
    folder.mlflow_runs.write_text(json.dumps({"study": "s", "arms": {}, "trials": {trial.trial_id: "run1"}}))
    ids = collect(folder)["trials"].set_index("trial_id")["mlflow_run_id"]
    assert ids[trial.trial_id] == "run1"
    assert ids.notna().sum() == 1


def test_tables_are_a_pure_function(plan: StudyPlan, folder: RunFolder, journaling: Any, tmp_path: Path) -> None:
    journaling.play(plan)
    one = build_tables(folder, read_progress(folder), {})
    shutil.copytree(folder.path, tmp_path / "elsewhere")
    elsewhere = RunFolder(tmp_path / "elsewhere")
    other = build_tables(elsewhere, read_progress(elsewhere), {})
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name])
    results = build_results(folder, read_progress(folder))
    assert one.keys() - results.keys() == {"curves"}
    for name in results.keys() - {"task_metrics"}:
        pd.testing.assert_frame_equal(results[name], one[name])


@pytest.mark.parametrize("name", ["trials", "task_metrics", "curves", "storage", "failures", "summary"])
def test_every_table_is_written(folder: RunFolder, name: str) -> None:
    collect(folder)
    assert (folder.tables / f"{name}.parquet").is_file()
