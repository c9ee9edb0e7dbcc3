"""The command on a real S3 server: killed with everything it has on this machine, it goes on from the store."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest
import s3fs

from results.tables.store import read_table
from study.journal.journal import parse_journal
from study.layout import RunFolder
from study.store.objects import ObjectStore
from study.store.segments import Segments

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), pytest.mark.xdist_group("ray")]

STUDY = """
name: stored
data:
  source: {kind: generated, train_images: 48, validation_images: 24, test_images: 24}
  tasks: [Smiling, Glasses]
  image_size: 48
network: {width: 0.0625}
batches: {batch_size: 12}
optimization: {epochs: 4}
evaluation: {triplets_per_task: 50}
space:
  blocks: [{placement: [none, late]}]
  nuisance: {learning_rate: {low: 1e-3, high: 1e-2, log: true}}
search: {trials_per_arm: 2, round_size: 2, halving: {rungs: [2], keep: 0.5}}
confirm: {seeds: [1]}
retention: {weights: front}
"""
HOW_IT_WAS_DONE = ["seconds", "seconds_mean", "peak_memory_bytes", "attempts", "software", "mlflow_run_id"]


@pytest.fixture
def command(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)

    def start(verb: str, runs: str, machine: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "study", verb, str(tmp_path / "study.yaml"), "--runs-dir", runs, *options],
            env={**os.environ, "MODSTUDY_CACHE": str(tmp_path / machine), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def test_a_run_whose_machine_is_lost_goes_on_elsewhere_with_the_same_tables(command, s3, s3_url, tmp_path):
    runs, system = s3_url.rpartition("/")[0], s3fs.S3FileSystem()
    calm = command("run", str(tmp_path / "runs"), "calm", "--no-tracking", "--workers", "1")
    output, _ = calm.communicate(timeout=300)
    assert calm.returncode == 0, output
    first = command("run", runs, "first", "--no-tracking")
    end = time.monotonic() + 300
    while not _epochs(system, runs) >= 5:
        assert time.monotonic() < end
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    s3.answers[:] = [500 if number % 9 == 4 else 200 for number in range(2000)]
    second = command("run", runs, "second")
    output, _ = second.communicate(timeout=400)
    s3.answers.clear()
    assert second.returncode == 0, output
    assert "waiting 30 s for a sign of life" in output
    (store,) = (tmp_path / "second").glob("copies/*/driver/stored/mlflow.db")
    with sqlite3.connect(store) as mirror:  # made by another process, from the driver's working copy
        (trials,) = mirror.execute("SELECT count(*) FROM tags WHERE key = 'modstudy.trial_id'").fetchone()
    assert trials == 6
    (tmp_path / "fetched" / "tables").mkdir(parents=True)
    system.get(f"{runs}/stored/tables/", str(tmp_path / "fetched" / "tables") + "/", recursive=True)
    for name, key in {
        "trials": ["trial_id"],
        "task_metrics": ["trial_id", "split", "task", "metric", "average"],
        "curves": ["trial_id", "epoch", "metric"],
        "summary": ["arm_id"],
    }.items():
        mine, other = (
            read_table(folder.tables, name).drop(columns=HOW_IT_WAS_DONE, errors="ignore").sort_values(key)
            for folder in (RunFolder(tmp_path / "runs" / "stored"), RunFolder(tmp_path / "fetched"))
        )
        assert mine.reset_index(drop=True).equals(other.reset_index(drop=True)), name
    kept = [path for path in system.find(f"{runs}/stored/trials") if not path.endswith(".jsonl")]
    assert all(path.endswith("weights.safetensors") for path in kept), "no checkpoint is left"
    assert 1 <= len(kept) <= 2, "weights of the front alone"
    status = command("status", runs, "third")
    output, _ = status.communicate(timeout=120)
    assert status.returncode == 0, output
    assert "6 of 6 trials done" in output


def test_a_stopped_worker_is_ended_and_its_trial_tried_again(command, s3, s3_url, tmp_path):
    runs, system = s3_url.rpartition("/")[0], s3fs.S3FileSystem()
    study = STUDY.replace("epochs: 4", "epochs: 30").replace("[none, late]", "[none]")
    study = study.replace("trials_per_arm: 2, round_size: 2, halving: {rungs: [2], keep: 0.5}", "trials_per_arm: 1")
    study += "resources: {silence_s: 25}\n"
    (tmp_path / "study.yaml").write_text(study)
    run = command("run", runs, "machine", "--no-tracking", "--workers", "1")
    end = time.monotonic() + 300
    while not _epochs(system, runs) >= 8:
        assert time.monotonic() < end
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.1)
    (pid,) = {event["pid"] for event in _events(f"{runs}/stored") if event["event"] == "started"}
    psutil.Process(pid).suspend()
    try:
        output, _ = run.communicate(timeout=240)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, output
    assert not psutil.pid_exists(pid)
    (failure,) = (event for event in _events(f"{runs}/stored") if event["event"] == "failed")
    assert failure["kind"] == "hung"
    assert failure["message"].startswith("no sign of life for 25 s (resources.silence_s), on ")


def _events(study: str) -> list[dict[str, Any]]:
    store = ObjectStore(study)
    journals = {journal for key in store.keys("trials") if (journal := Segments.journal_of(key))}
    return [event for journal in journals for event in parse_journal(Segments(store, journal).read()).events]


def _epochs(system, runs) -> int:
    return sum(path.endswith(".jsonl") for path in system.find(f"{runs}/stored/trials"))
