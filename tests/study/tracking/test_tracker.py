"""Mirroring into a real MLflow store: the tree, replays, growing journals, and a server that is not there."""

import json
import math
import shutil
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.journal.journal import JournalWriter
from study.layout import RunFolder, sqlite_uri
from study.tracking.errors import StoreError


def _everything(play, folder: RunFolder) -> object:
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    return sorted(
        (
            key,
            run.info.status,
            sorted(run.data.params.items()),
            sorted(map(str, client.get_metric_history(run.info.run_id, name))),
        )
        for key, run in play.runs(folder.mlflow_store).items()
        for name in [*run.data.metrics, "none"]
    )


def test_study_arm_and_trial_form_a_tree_with_params_metrics_and_dataset(folder, play):
    play.start(folder, "t1")
    play.finish(folder, "t1")
    report = play.tracker(folder).sync(folder)
    runs = play.runs(folder.mlflow_store)
    assert set(runs) == {"study", f"arm:{play.arm['arm_id']}", "trial:t1"}
    assert report.runs_created == 3
    study, arm, trial = (runs[key] for key in ("study", f"arm:{play.arm['arm_id']}", "trial:t1"))
    assert arm.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert trial.data.tags["mlflow.parentRunId"] == arm.info.run_id
    assert trial.info.status == "FINISHED"
    assert trial.data.params["placement"] == "late"
    assert trial.data.params["learning_rate"] == "0.001"
    assert trial.info.run_name == "seed 1 late"
    assert trial.data.metrics["final/test_triplet_accuracy"] == pytest.approx(0.75)
    assert trial.data.metrics["storage/added_parameters"] == 8
    assert arm.data.metrics["storage/log10_added_parameters"] == math.log10(9)
    assert trial.inputs.dataset_inputs[0].dataset.digest == "f" * 16
    ids = json.loads(folder.mlflow_runs.read_text())
    assert ids["trials"] == {"t1": trial.info.run_id}


def test_values_of_single_tasks_and_stages_are_in_tables_not_in_metrics(folder, play):
    play.start(folder, "t1")
    with JournalWriter(folder.trial("t1").journal) as journal:
        metrics = {"train/triplet_loss/a": 0.5, "validation/triplet_accuracy": 0.6}
        journal.append("epoch", epoch=2, seconds=1.0, metrics=metrics)
    play.finish(folder, "t1")
    play.tracker(folder).sync(folder)
    runs, client = play.runs(folder.mlflow_store), MlflowClient(sqlite_uri(folder.mlflow_store))
    arm, trial = runs[f"arm:{play.arm['arm_id']}"], runs["trial:t1"]
    assert [key for key in {**arm.data.metrics, **trial.data.metrics} if key.count("/") > 1] == []
    assert trial.data.metrics["validation/triplet_accuracy"] == 0.6
    for run, file, row in (
        (arm, "storage.json", {"component": "res4", "kind": "modulation", "parameters": 8}),
        (trial, "tasks.json", {"task": "a", "metric": "triplet_accuracy", "value": 0.7, "chance": 0.5, "queries": 20}),
    ):
        assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": file, "type": "table"}]
        table = json.loads(Path(client.download_artifacts(run.info.run_id, file)).read_text())
        assert row.items() <= dict(zip(table["columns"], table["data"][0], strict=True)).items()


def test_syncing_again_even_from_another_process_changes_nothing(folder, play):
    play.start(folder, "t1")
    play.finish(folder, "t1")
    play.tracker(folder).sync(folder)
    before = _everything(play, folder)
    assert play.tracker(folder).sync(folder).points_logged == 0
    assert _everything(play, folder) == before


def test_a_growing_journal_ends_like_one_synced_at_once(folder, tmp_path, play):
    play.start(folder, "t1")
    tracker = play.tracker(folder)
    tracker.sync(folder)
    assert play.runs(folder.mlflow_store)["trial:t1"].info.status == "RUNNING"
    play.finish(folder, "t1")
    tracker.sync(folder)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    history = client.get_metric_history(play.runs(folder.mlflow_store)["trial:t1"].info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]


def test_a_call_that_broke_off_before_it_was_noted_is_repeated_without_a_trace(folder, play):
    play.start(folder, "t1")
    play.finish(folder, "t1")
    play.tracker(folder).sync(folder)
    before = _everything(play, folder)
    run_id = play.runs(folder.mlflow_store)["trial:t1"].info.run_id
    MlflowClient(sqlite_uri(folder.mlflow_store)).set_tag(run_id, "modstudy.mirrored", "2")
    assert play.tracker(folder).sync(folder).points_logged > 0
    assert _everything(play, folder) == before


@pytest.mark.parametrize("call", ["create_run", "log_batch", "log_inputs", "set_tag"])
def test_a_store_that_breaks_off_at_any_call_is_caught_up_with_later(folder, tmp_path, monkeypatch, call, play):
    play.start(folder, "t1")
    play.finish(folder, "t1")
    real, calls = getattr(MlflowClient, call), iter(range(100))

    def breaks(self, *args, **kwargs):
        if next(calls) == 1:  # the second call of the sync, after some runs were made
            raise OSError("the store is gone")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, call, breaks)
    with pytest.raises(StoreError, match="the store is gone"):
        play.tracker(folder).sync(folder)
    monkeypatch.setattr(MlflowClient, call, real)
    play.tracker(folder).sync(folder)
    whole = RunFolder(tmp_path / "whole")
    shutil.copytree(folder.trials, whole.trials)
    shutil.copy(folder.plan, whole.plan)
    play.make_store(whole)
    play.tracker(whole).sync(whole)

    def content(where: RunFolder) -> object:
        return {
            key: (run.info.status, run.data.params, run.data.metrics, len(run.inputs.dataset_inputs))
            for key, run in play.runs(where.mlflow_store).items()
        }

    assert content(folder) == content(whole)


def test_a_failed_trial_is_marked_with_its_reason(folder, play):
    play.start(folder, "t1")
    with JournalWriter(folder.trial("t1").journal) as journal:
        journal.append("failed", kind="diverged", message="loss is nan in epoch 2", traceback="")
    play.tracker(folder).sync(folder)
    run = play.runs(folder.mlflow_store)["trial:t1"]
    assert run.info.status == "FAILED"
    assert run.data.tags["modstudy.failure.1"] == "diverged: loss is nan in epoch 2"
