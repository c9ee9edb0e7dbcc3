"""Which runs are whose: folders of one study in one store, deleted parents, runs made twice."""

import json
import shutil
import threading
from dataclasses import replace

import pytest
from mlflow.tracking import MlflowClient

from study.definition.tracking_address import store_address
from study.layout import sqlite_uri
from study.tracking.errors import StoreRefusedError
from study.tracking.tracker import Tracker


@pytest.fixture
def shared(tmp_path, empty_store):
    """A store that several folders feed."""
    return shutil.copy(empty_store, tmp_path / "shared.db")


@pytest.fixture
def client(shared) -> MlflowClient:
    return MlflowClient(sqlite_uri(shared))


def _tree(client: MlflowClient) -> list[tuple[str, str, str]]:
    """Return (folder, key, parent's key) of every run."""
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = {run.info.run_id: run for run in client.search_runs([experiment])}
    return sorted(
        (
            run.data.tags["modstudy.run_folder"],
            run.data.tags["modstudy.key"],
            runs[run.data.tags["mlflow.parentRunId"]].data.tags["modstudy.key"]
            if "mlflow.parentRunId" in run.data.tags
            else "",
        )
        for run in runs.values()
    )


def test_two_run_folders_of_one_study_are_two_trees_in_one_store(tmp_path, shared, client, play):
    folders = [play.folder(tmp_path / place / "tiny") for place in ("here", "there")]
    for folder in folders:
        play.start(folder, "t1")
    notes = [play.tracker(folder, sqlite_uri(shared)).sync(folder).notes for folder in folders]
    tree = _tree(client)
    assert len({folder for folder, _, _ in tree}) == 2
    arm = f"arm:{play.arm['arm_id']}"
    assert [row[1:] for row in tree] == 2 * [(arm, "study"), ("study", ""), ("trial:t1", arm)]
    assert notes[0] == []
    assert str(folders[0].path) in notes[1][0]
    assert "kept separate" in notes[1][0]


def test_working_copies_of_a_study_in_a_store_have_one_tree(tmp_path, shared, client, play):
    made = play.folder(tmp_path / "tiny")
    play.start(made, "t1")
    url = "s3://bucket/runs/study"
    driver = replace(made, url=url)
    assert play.tracker(driver, sqlite_uri(shared)).sync(driver).runs_created == 3
    before = play.identity(driver)
    reader = type(made)(shutil.copytree(made.path, tmp_path / "reader"), url)
    assert play.tracker(reader, sqlite_uri(shared)).sync(reader).runs_created == 0
    reader.mlflow_identity.unlink()  # the driver has not put it yet
    assert play.tracker(reader, sqlite_uri(shared)).sync(reader).runs_created == 0
    assert play.identity(reader) == before
    fetched = type(made)(shutil.copytree(made.path, tmp_path / "fetched"))
    assert play.tracker(fetched, sqlite_uri(shared)).sync(fetched).runs_created == 3
    other = type(made)(shutil.copytree(made.path, tmp_path / "other"), "s3://bucket/elsewhere/study")
    assert play.tracker(other, sqlite_uri(shared)).sync(other).runs_created == 3


def test_a_moved_folder_keeps_its_tree_and_a_copied_one_gets_its_own(tmp_path, shared, client, play):
    folder = play.folder(tmp_path / "tiny")
    play.start(folder, "t1")
    play.tracker(folder, sqlite_uri(shared)).sync(folder)
    moved = shutil.move(folder.path, tmp_path / "moved")
    moved = type(folder)(moved)
    assert play.tracker(moved, sqlite_uri(shared)).sync(moved).runs_created == 0
    copy = type(folder)(shutil.copytree(moved.path, tmp_path / "copy"))
    assert play.tracker(copy, sqlite_uri(shared)).sync(copy).runs_created == 3
    assert play.tracker(moved, sqlite_uri(shared)).sync(moved).runs_created == 0
    assert len({row[0] for row in _tree(client)}) == 2


def test_runs_of_an_older_version_are_taken_over_not_made_again(folder, play):
    play.start(folder, "t1")
    play.tracker(folder).sync(folder)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    for run in play.runs(folder.mlflow_store).values():
        client.delete_tag(run.info.run_id, "modstudy.run_folder")
    folder.mlflow_identity.unlink()
    assert play.tracker(folder).sync(folder).runs_created == 0
    assert len(play.runs(folder.mlflow_store)) == 3


def test_a_deleted_experiment_is_named_with_the_way_out(folder, play):
    play.start(folder, "t1")
    play.tracker(folder).sync(folder)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(
        StoreRefusedError, match=f"'tiny' was deleted.*restore --experiment-id {experiment}.*tracking.experi"
    ):
        play.tracker(folder).sync(folder)
    client.restore_experiment(experiment)
    assert play.tracker(folder).sync(folder).runs_created == 0


@pytest.mark.parametrize("in_the_same_process", [True, False])
def test_children_of_a_deleted_run_hang_below_the_one_made_anew(folder, play, in_the_same_process):
    play.start(folder, "t1")
    tracker = play.tracker(folder)
    tracker.sync(folder)
    before = play.runs(folder.mlflow_store)
    arm = f"arm:{play.arm['arm_id']}"
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    for key in ("study", arm):
        client.delete_run(before[key].info.run_id)
    play.finish(folder, "t1")
    plan = json.loads(folder.plan.read_text())
    folder.plan.write_text(json.dumps({**plan, "data_fingerprint": "e" * 16}))  # the study's own run is written to
    report = (tracker if in_the_same_process else play.tracker(folder)).sync(folder)
    after = play.runs(folder.mlflow_store)
    assert after["study"].info.run_id != before["study"].info.run_id
    objectives = [after[key].data.tags["modstudy.objective"] for key in ("study", "trial:t1")]
    assert objectives == ["validation/mean/triplet_accuracy/query"] * 2
    assert after[arm].data.tags["mlflow.parentRunId"] == after["study"].info.run_id
    assert after["trial:t1"].info.run_id == before["trial:t1"].info.run_id
    assert after["trial:t1"].data.tags["mlflow.parentRunId"] == after[arm].info.run_id
    assert ["'tiny' of the study" in note or "'late' of the arm" in note for note in sorted(report.notes)] == [
        True,
        True,
    ]


def test_a_run_whose_answer_was_lost_is_found_not_made_again(folder, play, monkeypatch):
    play.start(folder, "t1")
    real = MlflowClient.create_run
    lost = iter([True])

    def answers_are_lost(self, *args, **kwargs):
        made = real(self, *args, **kwargs)
        if next(lost, False):
            raise ConnectionError("Connection aborted.")
        return made

    monkeypatch.setattr(MlflowClient, "create_run", answers_are_lost)
    tracker = play.tracker(folder)
    with pytest.raises(Exception, match="Connection aborted"):
        tracker.sync(folder)
    assert tracker.sync(folder).runs_created == 2
    experiment = MlflowClient(sqlite_uri(folder.mlflow_store)).get_experiment_by_name("tiny")
    assert len(MlflowClient(sqlite_uri(folder.mlflow_store)).search_runs([experiment.experiment_id])) == 3


def test_a_run_that_was_made_twice_becomes_one(folder, play):
    play.start(folder, "t1")
    play.tracker(folder).sync(folder)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    trial = play.runs(folder.mlflow_store)["trial:t1"]
    client.create_run(trial.info.experiment_id, tags=dict(trial.data.tags) | {"modstudy.mirrored": "0"}, start_time=1)
    report = play.tracker(folder).sync(folder)
    assert "twice" in report.notes[0]
    assert play.runs(folder.mlflow_store)["trial:t1"].info.run_id == trial.info.run_id


def test_two_first_syncs_at_once_make_one_experiment_and_two_trees(tmp_path, client, shared, play):
    folders = [play.folder(tmp_path / f"{number}" / "tiny") for number in range(4)]
    errors: list[BaseException] = []
    ready = threading.Barrier(len(folders))

    def sync(folder) -> None:
        try:
            tracker = Tracker(store_address(folder, sqlite_uri(shared)), "tiny")
            ready.wait()
            tracker.sync(folder)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=sync, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({row[0] for row in _tree(client)}) == len(folders)


@pytest.mark.parametrize("file", ["mlflow_folder.json", "mlflow_runs.json"])
@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "[" * 100_000, '{"key": 5, "path": null}', '{"key": "a\' or", "path": "/x"}', '{"study": {}}'],
)
def test_a_damaged_note_of_what_mlflow_holds_is_written_anew(tmp_path, shared, play, file, content):
    folder = play.folder(tmp_path / "tiny")
    play.start(folder, "t1")
    play.tracker(folder, sqlite_uri(shared)).sync(folder)
    (folder.path / "mlflow_folder.json").unlink()
    (folder.path / file).write_text(content)
    play.tracker(folder, sqlite_uri(shared)).sync(folder)
    assert len(json.loads(folder.mlflow_identity.read_text())["key"]) == 32
    assert json.loads(folder.mlflow_runs.read_text())["trials"].keys() == {"t1"}
