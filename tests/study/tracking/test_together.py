"""Trials are written together in one transaction of a SQLite file: what is stored is the same, in few commits."""

import sqlite3
import threading
from contextlib import nullcontext

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event

from study.layout import sqlite_uri
from study.tracking.errors import BrokenOffError, StoreUnreachableError
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
