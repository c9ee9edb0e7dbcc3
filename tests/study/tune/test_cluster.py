"""How a Ray of our own is started, and what is said when it cannot be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from study import Study
from study.errors import UserError
from study.tune import cluster

pytestmark = pytest.mark.xdist_group("ray")


def test_a_long_folder_for_temporary_files_gives_way_to_a_short_one(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    long = tmp_path / ("x" * 70)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    assert cluster._short_folder() == "/tmp/ray"  # noqa: S108 - where Ray's files lie by default


def test_a_short_folder_of_the_users_choice_is_taken(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/var/tmp")  # noqa: S108
    assert cluster._short_folder() == "/var/tmp/ray"  # noqa: S108


def test_no_place_for_rays_files_is_said_with_the_way_out(monkeypatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(cluster.os, "access", lambda *_: False)
    with pytest.raises(UserError, match=r"no folder for Ray's files: .*set RAY_TMPDIR to such a folder"):
        cluster._short_folder()


START = """
from study import cli
from study.tune.cluster import connected

@cli.app.command()
def start() -> None:
    with connected({address!r}, threads=1):
        raise AssertionError("it has started")

import sys
sys.argv = ["modstudy", "start"]
cli.main()
"""


def start(address: str | None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", START.format(address=address)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize("address", [None, "127.0.0.1:1"])
def test_a_ray_that_cannot_be_started_or_reached_is_one_line(address, tmp_path: Path):
    blocked = tmp_path / "ray-goes-here"
    blocked.mkdir()
    (blocked / "ray").write_text("a file where Ray wants a folder")
    short = Path("/tmp") / f"modstudy-{os.getpid()}"  # noqa: S108 - names of sockets are short
    short.symlink_to(blocked)
    try:
        ended = start(address, RAY_TMPDIR=str(short))
    finally:
        short.unlink()
    assert ended.returncode == 2, ended
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert ("Ray cannot be started on this machine" if address is None else "no Ray cluster answers") in line


def test_a_cluster_that_answers_and_cannot_be_joined_is_not_called_silent(monkeypatch, capfd):
    def refuse(**_: object) -> None:
        os.write(2, b"gcs_client.cc:210: Failed to get cluster ID")  # by Ray's C++, once a second
        raise ConnectionError("Failed to connect to Ray cluster")  # all that Ray says where a token is missing

    monkeypatch.setattr("ray.init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=r"cannot be joined: Failed .* set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"):
            cluster._join(address, {})
    with pytest.raises(UserError, match="no Ray cluster answers there"):
        cluster._join("auto", {})
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ray://127.0.0.1:10001", "modstudy submit STUDY --address http://HEAD:8265"),
        ("http://head:8265", "modstudy submit STUDY --address http://head:8265"),
        ("nonsense", "should be auto, or HOST:PORT of the cluster's head"),
        ("head:99999", "should be auto, or HOST:PORT of the cluster's head"),
        ("127.0.0.1:1", "no Ray cluster answers there"),
        ("no-such-host.invalid:6379", "no Ray cluster answers there"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_written(address, told, study_file):
    with pytest.raises(UserError) as caught:
        Study(study_file).run(address=address)
    assert str(caught.value).startswith(f"address {address}: ")
    assert told in str(caught.value)
    assert not Study(study_file).folder.exists()


def test_a_token_is_shown_where_the_environment_names_one_not_where_ray_has_left_a_file(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    assert cluster._token_is_shown() == {}
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / ".ray" / "auth_token"))
    assert cluster._token_is_shown() == {"RAY_AUTH_MODE": "token"}


@pytest.mark.parametrize("refused", [False, True])
def test_what_ray_writes_while_it_connects_is_dropped_only_if_that_fails(capfd, refused):
    with suppress(RuntimeError), cluster._unheard_if_refused():
        os.write(2, b"a line of Ray's C++\n")
        if refused:
            raise RuntimeError
    os.write(2, b"later\n")
    assert capfd.readouterr().err == ("later\n" if refused else "a line of Ray's C++\nlater\n")
