"""Mirroring into a real MLflow store: the tree, replays, growing journals, and a server that is not there."""

import json
import shutil
import socket

import pytest
from mlflow.tracking import MlflowClient

from study.background_sync import BackgroundSync
from study.journal import JournalWriter
from study.layout import RunFolder
from study.mirror import metric_key
from study.tracking import STORE_ERRORS, Tracker

ARM = {
    "name": "late",
    "arm_id": "a" * 12,
    "placement_name": "late",
    "points": ["res4", "res5", "fc"],
    "form": "scale",
    "activation": "relu",
    "initialization": "ones",
    "grouping": "per_task",
    "grouping_level": "modulation",
}
STORAGE = [
    {
        "study": "tiny",
        "arm_id": ARM["arm_id"],
        "arm": "late",
        "component": "res4",
        "kind": "modulation",
        "parameters": 8,
    },
    {
        "study": "tiny",
        "arm_id": ARM["arm_id"],
        "arm": "late",
        "component": "total",
        "kind": "total",
        "parameters": 100,
        "added_parameters": 8,
        "bytes_fp32": 400,
    },
]
CONFIG = {
    "data": {"source": {"kind": "generated"}, "tasks": ["a", "b"], "image_size": 48, "fit": "crop"},
    "optimization": {"learning_rate": 0.001, "weight_decay": 0.0, "epochs": 2},
    "loss": {"margin": 0.2},
    "batches": {"images": 12},
    "data_seed": 0,
    "train_seed": 1,
}
PLAN = {
    "study": "tiny",
    "definition": {"description": "two tasks", "data": CONFIG["data"]},
    "data_fingerprint": "f" * 16,
    "arms": [{**ARM, "storage": STORAGE}],
}


def _start_trial(folder: RunFolder, trial_id: str) -> None:
    with JournalWriter(folder.trial(trial_id).journal) as journal:
        journal.append(
            "planned",
            study="tiny",
            trial_id=trial_id,
            stage="confirm",
            round=0,
            index=0,
            arm=ARM,
            nuisance={"learning_rate": 0.001},
            sampler_seed=0,
            data_fingerprint="f" * 16,
            config=CONFIG,
        )
        journal.append("started", attempt=1, host="h", pid=1, versions={})
        journal.append("epoch", epoch=1, seconds=1.0, metrics={"train/loss": 0.5})


def _finish_trial(folder: RunFolder, trial_id: str) -> None:
    row = {"split": "test", "metric": "triplet_accuracy", "average": "query", "chance": 0.5, "queries": 20}
    with JournalWriter(folder.trial(trial_id).journal) as journal:
        journal.append("epoch", epoch=1, seconds=1.0, metrics={"train/loss": 0.5})  # run again after a resume
        journal.append("epoch", epoch=2, seconds=1.0, metrics={"train/loss": 0.25})
        journal.append(
            "finished",
            epochs_run=2,
            objective=0.75,
            task_metrics=[{**row, "task": "a", "value": 0.7}, {**row, "task": "b", "value": 0.8}],
            peak_memory_bytes=1000,
        )


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path / "tiny")
    folder.path.mkdir()
    folder.plan.write_text(json.dumps(PLAN))
    return folder


def _tracker(folder: RunFolder) -> Tracker:
    return Tracker(folder.tracking_uri(None), "tiny", folder.mlflow_artifacts)


def _runs(folder: RunFolder) -> dict[str, object]:
    client = MlflowClient(folder.tracking_uri(None))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    return {run.data.tags["modstudy.key"]: run for run in client.search_runs([experiment])}


def _everything(folder: RunFolder) -> object:
    client = MlflowClient(folder.tracking_uri(None))
    return sorted(
        (
            key,
            run.info.status,
            sorted(run.data.params.items()),
            sorted(map(str, client.get_metric_history(run.info.run_id, name))),
        )
        for key, run in _runs(folder).items()
        for name in [*run.data.metrics, "none"]
    )


def test_study_arm_and_trial_form_a_tree_with_params_metrics_and_dataset(folder):
    _start_trial(folder, "t1")
    _finish_trial(folder, "t1")
    report = _tracker(folder).sync(folder)
    runs = _runs(folder)
    assert set(runs) == {"study", f"arm:{ARM['arm_id']}", "trial:t1"}
    assert report.runs_created == 3
    study, arm, trial = (runs[key] for key in ("study", f"arm:{ARM['arm_id']}", "trial:t1"))
    assert arm.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert trial.data.tags["mlflow.parentRunId"] == arm.info.run_id
    assert trial.info.status == "FINISHED"
    assert trial.data.params["placement"] == "late"
    assert trial.data.params["learning_rate"] == "0.001"
    assert trial.data.metrics["test/a/triplet_accuracy/query"] == 0.7
    assert trial.data.metrics["test/mean/triplet_accuracy/query"] == pytest.approx(0.75)
    assert trial.data.metrics["storage/added_parameters"] == 8
    assert arm.data.metrics["storage/modulation/res4/parameters"] == 8
    assert trial.inputs.dataset_inputs[0].dataset.digest == "f" * 16
    ids = json.loads(folder.mlflow_runs.read_text())
    assert ids["trials"] == {"t1": trial.info.run_id}


def test_syncing_again_even_from_another_process_changes_nothing(folder):
    _start_trial(folder, "t1")
    _finish_trial(folder, "t1")
    _tracker(folder).sync(folder)
    before = _everything(folder)
    assert _tracker(folder).sync(folder).points_logged == 0
    assert _everything(folder) == before


def test_a_growing_journal_ends_like_one_synced_at_once(folder, tmp_path):
    _start_trial(folder, "t1")
    tracker = _tracker(folder)
    tracker.sync(folder)
    assert _runs(folder)["trial:t1"].info.status == "RUNNING"
    _finish_trial(folder, "t1")
    tracker.sync(folder)
    client = MlflowClient(folder.tracking_uri(None))
    history = client.get_metric_history(_runs(folder)["trial:t1"].info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]


def test_a_call_that_broke_off_before_it_was_noted_is_repeated_without_a_trace(folder):
    _start_trial(folder, "t1")
    _finish_trial(folder, "t1")
    _tracker(folder).sync(folder)
    before = _everything(folder)
    run_id = _runs(folder)["trial:t1"].info.run_id
    MlflowClient(folder.tracking_uri(None)).set_tag(run_id, "modstudy.mirrored", "2")
    assert _tracker(folder).sync(folder).points_logged > 0
    assert _everything(folder) == before


@pytest.mark.parametrize("call", ["log_batch", "log_inputs", "set_tag", "update_run"])
def test_a_store_that_breaks_off_at_any_call_is_caught_up_with_later(folder, tmp_path, monkeypatch, call):
    _start_trial(folder, "t1")
    _finish_trial(folder, "t1")
    real, calls = getattr(MlflowClient, call), iter(range(100))

    def breaks(self, *args, **kwargs):
        if next(calls) == 1:  # the second call of the sync, after some runs were made
            raise OSError("the store is gone")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, call, breaks)
    with pytest.raises(OSError, match="the store is gone"):
        _tracker(folder).sync(folder)
    monkeypatch.setattr(MlflowClient, call, real)
    _tracker(folder).sync(folder)
    whole = RunFolder(tmp_path / "whole")
    shutil.copytree(folder.trials, whole.trials)
    shutil.copy(folder.plan, whole.plan)
    _tracker(whole).sync(whole)

    def content(where: RunFolder) -> object:
        return {
            key: (run.info.status, run.data.params, run.data.metrics, len(run.inputs.dataset_inputs))
            for key, run in _runs(where).items()
        }

    assert content(folder) == content(whole)


def test_a_failed_trial_is_marked_with_its_reason(folder):
    _start_trial(folder, "t1")
    with JournalWriter(folder.trial("t1").journal) as journal:
        journal.append("failed", kind="diverged", message="loss is nan in epoch 2", traceback="")
    _tracker(folder).sync(folder)
    run = _runs(folder)["trial:t1"]
    assert run.info.status == "FAILED"
    assert run.data.tags["modstudy.failure.1"] == "diverged: loss is nan in epoch 2"


def test_names_that_mlflow_refuses_are_made_legal(folder):
    assert metric_key("test/5_o'Clock (Shadow)|x/r") == "test/5_o_Clock _Shadow__x/r"


def test_a_dead_server_raises_nothing_into_the_run_and_loses_nothing(folder, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dead = Tracker(f"http://127.0.0.1:{port}", "tiny", None)
    _start_trial(folder, "t1")
    with pytest.raises(STORE_ERRORS):
        dead.sync(folder)
    background = BackgroundSync(dead, folder, every_s=0.01)
    background.start()
    _finish_trial(folder, "t1")
    while background.last_error is None:
        pass
    background.stop()
    assert "trials go on without it" in caplog.text
    assert _tracker(folder).sync(folder).trials_updated == 1
