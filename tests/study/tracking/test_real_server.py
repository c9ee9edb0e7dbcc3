"""A real MLflow server, with SQLite and with PostgreSQL: many syncs at once, a budget of requests, slowness."""

import logging
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.tracking import MlflowClient

from study.definition.tracking_address import StoreAddress, store_address
from study.layout import sqlite_uri
from study.tracking.background.process import MirrorProcess
from study.tracking.server import LocalServer
from tests.study.tracking.slow_proxy import proxy_to

AT_ONCE, TRIALS = 8, 3
pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def proxy(request, tmp_path_factory, empty_store):
    """A way to the server. It makes the tables of PostgreSQL itself; where that is not installed, tests are skipped."""
    folder = tmp_path_factory.mktemp("server")
    if request.param == "postgresql":
        uri = request.getfixturevalue("postgres").uri()
    else:
        uri = sqlite_uri(shutil.copy(empty_store, folder / "mlflow.db"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ARTIFACTS_DESTINATION", str(folder / "artifacts"))  # else in the folder it is started in
        server = LocalServer(StoreAddress(uri, "a test", None))
        with server, proxy_to(int(server.url.rpartition(":")[2])) as proxy:
            yield proxy


@pytest.fixture
def finished(tmp_path, play):
    """A run folder of finished trials, with as many as asked for."""

    def make(name: str, trials: int):
        folder = play.folder(tmp_path / name / "tiny")
        for number in range(trials):
            play.start(folder, f"t{number}")
            play.finish(folder, f"t{number}")
        return folder

    return make


def _content(uri: str, folder_key: str) -> dict[str, object]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment], f"tags.`modstudy.run_folder` = '{folder_key}'")
    assert len({run.data.tags["modstudy.key"] for run in runs}) == len(runs)
    return {
        run.data.tags["modstudy.key"]: (
            run.info.status,
            run.data.params,
            run.data.metrics,
            len(client.get_metric_history(run.info.run_id, "train/loss")),
            len(run.inputs.dataset_inputs),
            [file.path for file in client.list_artifacts(run.info.run_id)],
        )
        for run in runs
    }


def test_eight_syncs_at_once_lose_nothing_and_double_nothing(proxy, play, finished):
    folders = [finished(f"study{number}", TRIALS) for number in range(AT_ONCE)]
    ready = threading.Barrier(AT_ONCE)

    def sync(folder):
        ready.wait()
        return play.tracker(folder, proxy.uri).sync(folder)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        reports = list(threads.map(sync, folders))
    assert [note for report in reports for note in report.notes if "not mirrored" in note] == []
    assert {report.runs_created for report in reports} == {TRIALS + 2}
    keys = [play.identity(folder) for folder in folders]
    first, *others = [_content(proxy.uri, key) for key in keys]
    assert len(first) == TRIALS + 2
    status, _, metrics, points, inputs, files = first["trial:t0"]
    assert (status, metrics["epochs_run"], points, inputs, files) == ("FINISHED", 2, 2, 1, ["tasks.json"])
    for other in others:
        assert other == first


def test_a_finished_trial_takes_at_most_five_requests_and_then_none(proxy, play, finished):
    folder = finished("study", 1)
    tracker = play.tracker(folder, proxy.uri)
    tracker.sync(folder)
    for number in range(1, 4):
        play.start(folder, f"t{number}")
        play.finish(folder, f"t{number}")
    proxy.requests.clear()
    assert tracker.sync(folder).trials_updated == 3
    assert proxy.requests.total() <= 3 * 5
    proxy.requests.clear()
    tracker.sync(folder)
    assert proxy.requests.total() == 0
    play.start(folder, "t4")
    tracker.sync(folder)
    proxy.requests.clear()
    play.epoch(folder, "t4", 2)
    tracker.sync(folder)
    assert proxy.requests.total() == 1


def test_a_slow_server_holds_up_neither_the_end_nor_ctrl_c_and_what_it_lacks_is_named(proxy, play, finished, caplog):
    folder = finished("study", 6)
    proxy.delay_s = 1.5  # unheard, each pass would take more than half a minute

    def wait_for_a_request():
        while not proxy.requests.total():
            time.sleep(0.01)

    proxy.requests.clear()
    mirror = MirrorProcess(store_address(folder, proxy.uri), "tiny", folder, every_s=0.01, patience_s=1.5)
    with caplog.at_level(logging.WARNING):
        mirror.start()
        wait_for_a_request()
        begun = time.monotonic()
        assert not mirror.catch_up()
        assert not mirror.catch_up()
        mirror.stop()
        assert time.monotonic() - begun < 20
    assert "it lacks 6 trials (t0, t1, t2, ...)" in caplog.text
    proxy.requests.clear()
    at_ctrl_c = MirrorProcess(store_address(folder, proxy.uri), "tiny", folder, every_s=0.01)
    at_ctrl_c.start()
    wait_for_a_request()
    begun = time.monotonic()
    at_ctrl_c.stop()
    assert time.monotonic() - begun < 10
    proxy.delay_s = 0.0
    play.tracker(folder, proxy.uri).sync(folder)
    assert len(_content(proxy.uri, play.identity(folder))) == 6 + 2
