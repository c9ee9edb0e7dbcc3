"""PostgreSQL as the store: first syncs at once, a password that is nowhere, and a server that dies and comes back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.definition.tracking_address import store_address
from study.tracking.background.process import MirrorProcess
from study.tracking.errors import StoreRefusedError, StoreUnreachableError
from tests.study.tracking.postgres import ENCODED, SECRET

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).resolve().parents[3]


def _below(folder: Path) -> str:
    return "".join(path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file())


SYNC = """
import sys, logging
from pathlib import Path
from study.layout import RunFolder
from study.definition.tracking_address import store_address
from study.tracking.tracker import Tracker
logging.basicConfig(level=logging.DEBUG)
folder = RunFolder(Path(sys.argv[1]))
print(Tracker(store_address(folder, None), "tiny").sync(folder).runs_created)
"""


def test_two_first_syncs_at_once_and_a_password_that_is_nowhere(postgres, tmp_path, play):
    folders = [play.folder(tmp_path / place / "tiny") for place in ("here", "there")]
    for folder in folders:
        play.start(folder, "t1")
        play.finish(folder, "t1")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": postgres.uri(), "PYTHONPATH": str(REPOSITORY)}
    syncs = [
        subprocess.Popen(  # noqa: S603 - our own code, in processes that start at the same time
            [sys.executable, "-c", SYNC, str(folder.path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder in folders
    ]
    said = [sync.communicate(timeout=300)[0] for sync in syncs]
    assert [sync.returncode for sync in syncs] == [0, 0], said
    assert [text.split()[-1] for text in said] == ["3", "3"]
    client = MlflowClient(postgres.uri())
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 6
    assert len({run.data.tags["modstudy.run_folder"] for run in runs}) == 2
    everything = "".join(said) + _below(tmp_path) + str([run.data.tags for run in runs])
    for spelling in (SECRET, ENCODED, "s3cr3t"):
        assert spelling not in everything


def test_a_wrong_password_is_refused_not_out_of_reach(postgres, tmp_path, play):
    folder = play.folder(tmp_path / "tiny")
    with pytest.raises(StoreRefusedError, match="does not accept the login: set MLFLOW_TRACKING") as caught:
        play.tracker(folder, postgres.uri("wr0ng-w0rd")).sync(folder)
    assert "wr0ng" not in str(caught.value)


def test_a_host_that_does_not_answer_is_given_up_soon(tmp_path, play):
    folder = play.folder(tmp_path / "tiny")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        with pytest.raises(StoreUnreachableError, match=r"ann:\*\*\*@127.*cannot be reached"):
            play.tracker(folder, f"postgresql://ann:s3cr3t@127.0.0.1:{silent.getsockname()[1]}/runs").sync(folder)
    assert time.monotonic() - begun < 20


def test_trials_go_on_while_the_server_is_dead_and_all_arrives_later(postgres, tmp_path, play, caplog):
    folder = play.folder(tmp_path / "tiny")
    play.start(folder, "t1")
    mirror = MirrorProcess(store_address(folder, postgres.uri()), "tiny", folder, every_s=0.05)
    mirror.start()
    assert mirror.catch_up()
    postgres.stop()
    try:
        play.finish(folder, "t1")
        begun = time.monotonic()
        assert not mirror.catch_up()
        assert time.monotonic() - begun < 30
    finally:
        postgres.start()
    assert mirror.catch_up()
    mirror.stop()
    assert "trials continue without it" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert play.tracker(folder, postgres.uri()).sync(folder).trials_updated == 0
    client = MlflowClient(postgres.uri())
    trial = client.search_runs(
        [client.get_experiment_by_name("tiny").experiment_id],
        f"tags.`modstudy.key` = 'trial:t1' and tags.`modstudy.run_folder` = '{play.identity(folder)}'",
    )
    assert [run.info.status for run in trial] == ["FINISHED"]
