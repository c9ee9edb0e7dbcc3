"""A study submitted as a Ray job: what the dashboard of the head is sent, and what cannot be submitted."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import ray
import yaml
from typer.testing import CliRunner

from study.cli import app

pytestmark = pytest.mark.xdist_group("ray")


class Dashboard(BaseHTTPRequestHandler):
    """Speaks as much of Ray's job interface as a submission takes, and keeps what it is sent."""

    jobs: list[dict[str, object]]
    packages: list[bytes]
    token = ""
    without_agent = 0  # submissions that come before a node can run jobs

    def parse_request(self) -> bool:
        known = super().parse_request()
        if known and self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_error(401)
            return False
        return known

    def do_GET(self) -> None:
        if self.path == "/api/version":
            self._answer({"version": "4", "ray_version": ray.__version__, "ray_commit": "", "session_name": "s"})
        else:  # no package is there yet
            self.send_error(404)

    def do_PUT(self) -> None:
        self.packages.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({})

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.without_agent:
            type(self).without_agent -= 1
            self.send_response(500)
            self.end_headers()
            self.wfile.write(b"No available agent to submit job, please try again later.")
            return
        self.jobs.append(job)
        self._answer({"job_id": "job-1", "submission_id": "job-1"})

    def _answer(self, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboard() -> Iterator[tuple[str, type[Dashboard]]]:
    """The address of a dashboard on this machine, and what it was sent."""
    kept = type("Kept", (Dashboard,), {"jobs": [], "packages": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kept)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kept
    server.shutdown()
    thread.join()
    server.server_close()


def submit(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["submit", *options])
    return result.exit_code, result.output + (result.stderr or "")


def test_the_cluster_is_sent_the_study_and_the_command_that_runs_it(study_file, dashboard):
    address, kept = dashboard
    code, output = submit(
        str(study_file), "--address", address, "--runs-dir", "/shared/runs", "--workers", "3", "--no-tracking"
    )
    assert code == 0, output
    (job,) = kept.jobs
    command = "python -m study run study.yaml --address auto --runs-dir /shared/runs --workers 3 --no-tracking"
    assert job["entrypoint"] == command
    assert str(job["runtime_env"]["working_dir"]).startswith("gcs://")
    (package,) = kept.packages
    with zipfile.ZipFile(io.BytesIO(package)) as files:
        (name,) = [name for name in files.namelist() if name.endswith("study.yaml")]
        assert yaml.safe_load(files.read(name))["name"] == "tiny"
    assert "job-1" in output
    assert f"ray job logs job-1 --address {address} --follow" in output


@pytest.fixture
def wheel(tmp_path) -> Path:
    """What a wheel of this project looks like."""
    path = tmp_path / "modulation_study-9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("study/__init__.py", "")
        files.writestr("study/serve/assets/page.html", "<p>")
        files.writestr("modulation_study-9.9.dist-info/METADATA", "Name: modulation-study\nVersion: 9.9\n")
    return path


def test_the_packages_of_a_wheel_are_uploaded_beside_the_study_and_nothing_is_installed(study_file, dashboard, wheel):
    address, kept = dashboard
    options = ["--address", address, "--runs-dir", "/shared/runs", "--wheel", str(wheel)]
    code, output = submit(str(study_file), *options)
    assert code == 0, output
    (job,) = kept.jobs
    assert not {"py_modules", "pip", "uv", "conda"} & set(job["runtime_env"]), "Ray would install newer dependencies"
    (package,) = kept.packages
    with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(io.BytesIO(package)) as sent:
        there = {name: sent.read(name) for name in sent.namelist() if not name.endswith("/")}
        assert yaml.safe_load(there.pop("study.yaml"))["name"] == "tiny"
        assert there == {name: given.read(name) for name in given.namelist()}


@pytest.mark.parametrize(
    ("content", "told"), [(b"no archive", "is damaged, or no wheel"), (None, "must be a wheel of this project")]
)
def test_another_file_is_not_taken_for_a_wheel_of_this_project(study_file, dashboard, tmp_path, content, told):
    address, kept = dashboard
    other = tmp_path / "other-1.0-py3-none-any.whl"
    if content is None:
        with zipfile.ZipFile(other, "w") as files:
            files.writestr("other-1.0.dist-info/METADATA", "Name: other\n")
    else:
        other.write_bytes(content)
    options = ["--address", address, "--runs-dir", "/shared/runs", "--wheel", str(other)]
    code, output = submit(str(study_file), *options)
    assert code == 2, output
    assert told in " ".join(output.split())
    assert not kept.jobs


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--address", "10.0.0.1:6379", "--runs-dir", "/shared/runs"], "such as http://HEAD:8265"),
        (["--address", "http://127.0.0.1:9", "--runs-dir", "/shared/runs"], "the job was not taken: "),
        (["--address", "http://127.0.0.1:9", "--runs-dir", "runs"], "must be an absolute path that all nodes"),
        (["--address", "http://127.0.0.1:9", "--runs-dir", "/r", "--wheel", "no.whl"], "to build it: pip wheel"),
    ],
)
def test_what_cannot_be_submitted_is_said_in_one_line(study_file, options, told):
    code, output = submit(str(study_file), *options)
    assert code == 2, output
    assert output.startswith("error: ")
    assert told in " ".join(output.split())


def test_a_head_that_cannot_run_jobs_yet_is_waited_for(study_file, dashboard, monkeypatch):
    monkeypatch.setattr("study.tune.jobs._POLL_S", 0.01)
    address, kept = dashboard
    kept.without_agent = 2
    code, output = submit(str(study_file), "--address", address, "--runs-dir", "/shared/runs")
    assert code == 0, output
    assert len(kept.jobs) == 1


def test_a_store_may_hold_the_runs_of_a_job(study_file, dashboard, s3):
    import s3fs

    s3fs.S3FileSystem().mkdir("jobs")
    address, kept = dashboard
    code, output = submit(str(study_file), "--address", address, "--runs-dir", "s3://jobs/runs")
    assert code == 0, output
    (job,) = kept.jobs
    assert "--runs-dir s3://jobs/runs" in str(job["entrypoint"])
    assert "its run folder: s3://jobs/runs/tiny" in output.replace("\n", " ")


def test_a_cluster_that_asks_for_a_token_takes_jobs_from_those_who_have_it(study_file, dashboard):
    address, kept = dashboard
    kept.token = "a" * 64
    options = [str(study_file), "--address", address, "--runs-dir", "/shared/runs"]
    code, output = submit(*options)
    assert code == 2, output
    assert " ".join(output.split()).startswith(f"error: --address {address}: the job was not taken: Authentication")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    command = [sys.executable, "-m", "study", "submit", *options]
    environment["RAY_AUTH_TOKEN"] = kept.token
    subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - our own command
    assert len(kept.jobs) == 1
