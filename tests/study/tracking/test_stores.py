"""Stores wherever they are: odd paths, none at all, servers and points that are refused, and no password shown."""

import http.server
import json
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import MlflowClient
from sqlalchemy import text

from study.definition.tracking_address import StoreAddress, against, store_address
from study.layout import RunFolder, sqlite_uri
from study.tracking import opening
from study.tracking.errors import StoreRefusedError, StoreUnreachableError
from study.tracking.opening import open_client

ODD = ["50%20off", "what?x=1", "a#b", "two words", "größe 色", "back\\slash", "100%", "a&b;c=d", "file:x"]


@pytest.mark.parametrize("name", ODD)
def test_a_run_folder_may_lie_anywhere(tmp_path, empty_store, play, name):
    folder = play.folder(tmp_path / name / "tiny")
    shutil.copy(empty_store, folder.mlflow_store)
    play.start(folder, "t1")
    folder.report.mkdir()
    (folder.report / "report.md").write_text("ready")
    before = {path.name for path in tmp_path.iterdir()}
    play.tracker(folder).sync(folder)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert sorted(path.name for path in folder.path.glob("mlflow*")) == [
        "mlflow-artifacts", "mlflow.db", "mlflow.db.lock", "mlflow_folder.json", "mlflow_runs.json",
    ]  # fmt: skip
    study = play.runs(folder.mlflow_store)["study"]
    assert [path.name for path in folder.mlflow_artifacts.rglob("plan.json")] == ["plan.json"]
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    assert [file.path for file in client.list_artifacts(study.info.run_id)] == ["plan.json"]


def test_a_store_is_named_by_the_file_else_the_environment_else_the_folder(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    assert store_address(folder, None).sqlite_file == tmp_path / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert store_address(folder, None).uri == "http://server"
    assert store_address(folder, "http://other").uri == "http://other"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert store_address(folder, None).origin == "the run folder"


def test_a_relative_sqlite_file_is_relative_to_the_study_file():
    assert against(Path("/home/50% off"), "sqlite:///runs.db") == "sqlite:////home/50%25 off/runs.db"
    assert against(Path("/home"), "sqlite+pysqlite:///runs.db") == "sqlite+pysqlite:////home/runs.db"
    for same in ("sqlite:////runs.db", "sqlite:///:memory:", "http://server", "postgresql://db/runs"):
        assert against(Path("/home"), same) == same


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("sqlite:////proc/nowhere/mlflow.db", "cannot be"),
        ("sqlite:////dev/null/mlflow.db", "cannot be"),
        ("postgresql://ann:s3cr3t@127.0.0.1:{closed}/runs", "(needs the package|cannot be reached)"),
        ("nosuch+driver://ann:s3cr3t@db/runs", "refuses|cannot be opened"),
        ("sqlite:///{folder}/x.db?colour=s3cr3t&token=s3cr3t", "cannot be opened.*tracking.uri"),
        ("sqlite:///:memory:", "names no file.*correct tracking.uri"),
        ("sqlite://", "names no file"),
        ("sqlite+pysqlite:///", "names no file"),
    ],
)
def test_a_store_that_cannot_be_opened_says_so_at_once_and_shows_no_password(tmp_path, play, uri, says):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    folder = play.folder(tmp_path / "tiny")
    tracker = play.tracker(folder, uri.format(closed=closed, folder=tmp_path))
    begun = time.monotonic()
    with pytest.raises((StoreRefusedError, StoreUnreachableError), match=says) as caught:
        tracker.sync(folder)
    assert time.monotonic() - begun < 20
    assert "\n" not in str(caught.value)
    assert "s3cr3t@" not in str(caught.value)
    assert "token=s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


@contextmanager
def _answering(status: int):
    """A server that says but one thing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"nope")

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *args):
            pass

    with _serving(Handler) as uri:
        yield uri


@contextmanager
def _serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, StoreRefusedError, "does not accept the login: set MLFLOW_TRACKING_USERNAME"),
        (403, StoreRefusedError, "does not allow it"),
        (404, StoreRefusedError, "is no MLflow server"),
        (400, StoreRefusedError, "refuses"),
        (500, StoreRefusedError, "refuses"),
        (503, StoreUnreachableError, "cannot be reached"),
    ],
)
def test_only_what_may_pass_is_called_unreachable(folder, play, status, error, says):
    with _answering(status) as uri, pytest.raises(error, match=says):
        play.tracker(folder, uri).sync(folder)


def test_a_request_whose_answer_is_lost_is_made_once(folder, play, capfd):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._answer({"experiment": {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path.rpartition("mlflow/")[2])
            if asked[-1] == "runs/create":
                self.close_connection = True  # it may have been done, but nobody says so
            else:
                self._answer({"runs": []})

        def _answer(self, content):
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with _serving(Handler) as uri, pytest.raises(StoreUnreachableError, match="cannot be reached"):
        play.tracker(folder, uri).sync(folder)
    assert asked.count("runs/create") == 1
    assert "View run" not in capfd.readouterr().out


def test_a_point_that_is_refused_stops_nothing_else(folder, play, monkeypatch):
    for trial in ("t1", "t2"):
        play.start(folder, trial)
        play.finish(folder, trial)
    monkeypatch.setattr(
        "study.tracking.content.metric_key", lambda name: f"../{name}" if name == "train/loss" else name
    )
    tracker = play.tracker(folder)
    notes = tracker.sync(folder).notes
    assert sum("'../train/loss'" in note for note in notes) == 4
    trial = play.runs(folder.mlflow_store)["trial:t2"]
    assert trial.info.status == "FINISHED"
    assert trial.data.metrics["final/test_triplet_accuracy"] == pytest.approx(0.75)
    assert trial.data.metrics["epochs_run"] == 2
    assert tracker.sync(folder).notes == []


def test_names_that_look_alike_have_values_of_their_own(folder, play):
    values = {"a=b": 0.1, "a|b": 0.2, "a_b": 0.3, "mean": 0.4, "colour=black/": 0.5, "x" * 228: 0.6, "é": 0.7}
    play.start(folder, "t1")
    play.finish(folder, "t1", values)
    assert play.tracker(folder).sync(folder).notes == []
    run = play.runs(folder.mlflow_store)["trial:t1"]
    assert run.data.metrics["final/test_triplet_accuracy"] == pytest.approx(0.4)
    client = MlflowClient(sqlite_uri(folder.mlflow_store))
    table = json.loads(Path(client.download_artifacts(run.info.run_id, "tasks.json")).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert {row["task"]: row["value"] for row in rows} == values


def test_a_store_that_takes_no_files_keeps_the_rest(folder, play, monkeypatch):
    play.start(folder, "t1")
    play.finish(folder, "t1")

    def refuses(self, *args):
        raise RuntimeError("no room")

    monkeypatch.setattr(MlflowClient, "log_dict", refuses)
    monkeypatch.setattr(LocalArtifactRepository, "log_artifact_from_stream", refuses)
    notes = play.tracker(folder).sync(folder).notes
    assert sum("no room" in note for note in notes) == 3  # the plan, the arm's storage, the trial's tasks
    runs = play.runs(folder.mlflow_store)
    assert runs["trial:t1"].info.status == "FINISHED"
    assert runs[f"arm:{play.arm['arm_id']}"].data.metrics["storage/parameters"] == 100


def test_a_process_killed_while_it_makes_the_tables_leaves_no_half_of_them(tmp_path, monkeypatch):
    store = StoreAddress(sqlite_uri(tmp_path / "runs.db"), "a test", None)

    class Killed(BaseException):
        pass

    def killed_midway(engine):
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE _alembic_tmp_metrics (key VARCHAR)"))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(opening, "_initialize_tables", killed_midway)
        with pytest.raises(Killed):
            open_client(store)
    assert not store.sqlite_file.exists()
    assert open_client(store).search_experiments()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.db", "runs.db.lock"]
