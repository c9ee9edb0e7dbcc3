"""Trials are written together in one transaction of a SQLite file: what is stored is the same, in few commits."""

import json
import sqlite3
import threading
from contextlib import nullcontext
from functools import partial

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from sqlalchemy import event

from results.tables.writing import write_tables
from study.definition.tracking_address import StoreAddress
from study.layout import sqlite_uri
from study.tracking.errors import BrokenOffError, StoreRefusedError, StoreUnreachableError
from study.tracking.rows import RowSession
from study.tracking.store import Store

TRIALS = 8


def _trials(folder, play, first: int = 0) -> None:
    for number in range(first, first + TRIALS):
        play.start(folder, f"t{number:02}")
        play.finish(folder, f"t{number:02}")


def _shown(play, folder, store=None) -> dict[str, object]:
    return {
        key: (
            run.info.status,
            run.info.end_time,
            run.info.run_name,
            run.data.params,
            run.data.metrics,
            {name: tag for name, tag in run.data.tags.items() if name != "mlflow.parentRunId"},
            [given.dataset.digest for given in run.inputs.dataset_inputs],
        )
        for key, run in play.runs(store or folder.mlflow_store).items()
        if key.startswith("trial:")
    }


def test_the_same_is_stored_in_few_commits(folder, play, monkeypatch):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    commits = []
    engine = SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)]
    event.listen(engine, "commit", commits.append)
    _trials(folder, play)
    assert tracker.sync(folder).trials_updated == TRIALS
    assert len(commits) < TRIALS
    together = _shown(play, folder)
    assert len(together) == TRIALS
    with monkeypatch.context() as patch:
        patch.setattr("study.tracking.store.one_transaction", lambda *_: nullcontext())
        engine.dispose()
        play.make_store(folder)
        commits.clear()
        play.tracker(folder).sync(folder)
        assert len(commits) > TRIALS
    assert _shown(play, folder) == together


def test_what_was_done_before_it_was_broken_off_is_stored_and_nothing_else_is_taken_for_it(folder, play, monkeypatch):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    _trials(folder, play)
    call, written = Store.call, []

    def until_the_third(store, method, *arguments, **named):
        answer = call(store, method, *arguments, **named)
        written.extend([method] if method == "log_batch" else [])
        if len(written) == 3:
            store.breaking_off.set()
        return answer

    monkeypatch.setattr(Store, "call", until_the_third)
    with pytest.raises(BrokenOffError):
        tracker.sync(folder)
    assert [shown[0] for shown in _shown(play, folder).values()] == ["FINISHED"] * 3
    assert tracker.unsent(folder).startswith(f"{TRIALS - 3} trials (t03, ")
    tracker.store.breaking_off.clear()
    monkeypatch.setattr(Store, "call", call)
    assert tracker.sync(folder).trials_updated == TRIALS - 3
    assert len(_shown(play, folder)) == TRIALS


def test_what_sqlite_takes_back_is_not_taken_for_stored(folder, play, monkeypatch):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    _trials(folder, play)
    engine = SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)]
    connections = []
    event.listen(engine, "checkout", lambda connection, *_: connections.append(connection))
    call = Store.call

    def full_disk(store, method, *arguments, **named):
        answer = call(store, method, *arguments, **named)
        if method == "log_batch":
            for connection in connections:
                connection.rollback()
            store.breaking_off.set()  # or the next call would notice it
        return answer

    monkeypatch.setattr(Store, "call", full_disk)
    with pytest.raises(StoreUnreachableError, match="was taken back"):
        tracker.sync(folder)
    monkeypatch.setattr(Store, "call", call)
    tracker.store.breaking_off.clear()
    assert _shown(play, folder) == {}
    assert tracker.sync(folder).trials_updated == TRIALS


def test_the_experiment_is_asked_for_once_and_savepoints_are_not_compiled(folder, play):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    _trials(folder, play)
    statements = []
    engine = SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)]
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append((given[2], given[4].compiled)))
    assert tracker.sync(folder).trials_updated == TRIALS
    begun = sum(statement.startswith("BEGIN") for statement, _ in statements)
    assert sum(statement.startswith("SELECT experiments.") for statement, _ in statements) == begun < TRIALS
    savepoints = [compiled for statement, compiled in statements if "SAVEPOINT" in statement]
    assert len(savepoints) > 2 * TRIALS
    assert not any(savepoints)
    assert not {"do_savepoint", "do_release_savepoint"} & vars(engine.dialect).keys()  # as it was


def test_a_call_that_is_refused_at_its_end_takes_back_its_own_changes_alone(folder, play, monkeypatch):
    play.tracker(folder).sync(folder)
    store = Store(StoreAddress(sqlite_uri(folder.mlflow_store), "a test", None))
    first, refused, last = ids = [store.call("create_run", store.experiment("other")).info.run_id for _ in range(3)]

    def set_tags(_, run_id, tags):
        if run_id == refused:
            raise MlflowException("no more tags", INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(SqlAlchemyStore, "_set_tags", set_tags)
    errors = []

    def log(run_id: str) -> None:
        try:
            store.call("log_batch", run_id, params=[Param("whose", run_id)], tags=[RunTag("a", "b")])
        except StoreRefusedError as error:
            errors.append(str(error))

    store.together(ids, log)
    assert len(errors) == 1
    params = [store.call("get_run", run_id).data.params for run_id in ids]
    assert params == [{"whose": first}, {}, {"whose": last}]


def test_a_value_that_is_there_already_keeps_none_of_the_others_away(folder, play):
    store = Store(StoreAddress(sqlite_uri(folder.mlflow_store), "a test", None))
    run_id = store.call("create_run", store.experiment("other")).info.run_id
    first, second, other = (
        Metric(key, value, 1, step) for key, value, step in (("a", 1.0, 1), ("a", 2.0, 2), ("b", 3.0, 1))
    )
    params, tags = [Param("p", "1")], [RunTag("t", "1")]
    batches = [[second], [first, second, other], [first]]
    store.together(batches, lambda batch: store.call("log_batch", run_id, batch, params, tags))
    data = store.call("get_run", run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"a": 2.0, "b": 3.0}, {"p": "1"}, "1")
    assert sorted(metric.value for metric in store.call("get_metric_history", run_id, "a")) == [1.0, 2.0]


def test_where_mlflow_names_its_rows_otherwise_they_are_added_as_others_are(folder, play, monkeypatch):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    monkeypatch.setattr("study.tracking.rows._KINDS", ())
    monkeypatch.setattr(RowSession, "bulk_save_objects", None)
    _trials(folder, play)
    assert tracker.sync(folder).trials_updated == TRIALS
    assert {shown[0] for shown in _shown(play, folder).values()} == {"FINISHED"}


def test_rows_are_not_followed_but_a_change_of_one_is_stored(folder, play):
    store = Store(StoreAddress(sqlite_uri(folder.mlflow_store), "a test", None))
    run_id = store.call("create_run", store.experiment("other")).info.run_id
    engine = SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)]
    rows = [SqlTag(run_uuid=run_id, key=key, value="first") for key in ("a", "b", "c")]
    with RowSession(engine) as session:
        session.add_all(rows[:2])
        assert list(session) == []
        rows[1].value = "second"
        session.commit()
        session.add_all(rows[2:])
        rows[2].value = "third"
        session.rollback()
        session.commit()
        assert session.get(SqlRun, run_id).status == "RUNNING"
    tags = store.call("get_run", run_id).data.tags
    assert {key: tags.get(key) for key in ("a", "b", "c")} == {"a": "first", "b": "second", "c": None}


def test_an_experiment_that_is_deleted_between_two_blocks_takes_no_more_runs(folder, play):
    play.tracker(folder).sync(folder)
    store = Store(StoreAddress(sqlite_uri(folder.mlflow_store), "a test", None))
    experiment = store.experiment("tiny")
    make = partial(store.call, "create_run")
    store.together([experiment], make)
    store.call("delete_experiment", experiment)
    with pytest.raises(StoreRefusedError, match="must be in the 'active' state"):
        store.together([experiment], make)


def test_the_summaries_of_arms_are_stored_in_few_commits(folder, play, monkeypatch):
    arms = [{"name": f"arm{number}", "arm_id": f"{number:012x}"} for number in range(TRIALS)]
    plan = json.loads(folder.plan.read_text())
    folder.plan.write_text(json.dumps(plan | {"arms": [{**plan["arms"][0], **arm} for arm in arms]}))
    for arm in arms:
        with monkeypatch.context() as patch:
            patch.setitem(play.arm, "name", arm["name"])
            patch.setitem(play.arm, "arm_id", arm["arm_id"])
            play.start(folder, f"of_{arm['name']}")
    tracker = play.tracker(folder)
    tracker.sync(folder)
    write_tables(folder.tables, {"summary": play.summary([arm["name"] for arm in arms])})
    commits = []
    event.listen(SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)], "commit", commits.append)
    tracker.sync(folder)
    assert 0 < len(commits) < 2 * TRIALS
    runs = play.runs(folder.mlflow_store)
    assert {runs[f"arm:{arm['arm_id']}"].info.status for arm in arms} == {"FINISHED"}
    assert all("summary/triplet_accuracy_mean" in runs[f"arm:{arm['arm_id']}"].data.metrics for arm in arms)


def test_nobody_waits_for_files_that_go_to_another_machine(folder, play, monkeypatch):
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    client.create_experiment("tiny", "s3://bucket/files")
    free = []

    def sent(place, store, file, document):
        with sqlite3.connect(folder.mlflow_store, timeout=0, isolation_level=None) as another:
            another.execute("BEGIN IMMEDIATE")
            another.execute("ROLLBACK")
        free.append((place.partition("files")[0], file))

    monkeypatch.setattr("study.tracking.store.put_json", sent)
    monkeypatch.setattr(MlflowClient, "log_dict", lambda *_: None)
    _trials(folder, play)
    report = play.tracker(folder).sync(folder)
    assert (report.trials_updated, report.notes) == (TRIALS, [])
    assert free == [("s3://bucket/", "storage.json")] + [("s3://bucket/", "tasks.json")] * TRIALS


def test_where_mlflow_makes_its_sessions_otherwise_each_is_stored_by_itself(folder, play, monkeypatch):
    tracker = play.tracker(folder)
    tracker.sync(folder)
    monkeypatch.delattr("mlflow.store.db.utils._get_managed_session_maker")
    _trials(folder, play)
    commits = []
    event.listen(SqlAlchemyStore._engine_map[sqlite_uri(folder.mlflow_store)], "commit", commits.append)
    assert tracker.sync(folder).trials_updated == TRIALS
    assert len(commits) > TRIALS
    assert len(_shown(play, folder)) == TRIALS


def test_two_threads_write_to_one_file_at_once(tmp_path, empty_store, play):
    store = tmp_path / "shared.db"
    store.write_bytes(empty_store.read_bytes())
    folders = [play.folder(tmp_path / name / "tiny") for name in ("a", "b")]
    for number, folder in enumerate(folders):
        _trials(folder, play, first=number * TRIALS)
    ready, reports = threading.Barrier(2), []

    def sync(folder):
        ready.wait()
        reports.append(play.tracker(folder, sqlite_uri(store)).sync(folder))

    threads = [threading.Thread(target=sync, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.trials_updated for report in reports] == [TRIALS, TRIALS]
    assert len(_shown(play, None, store)) == 2 * TRIALS
    with sqlite3.connect(store) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
