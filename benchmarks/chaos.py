"""Chaos equals calm: a study on a cluster of three nodes, under faults drawn from a seed, against the same study calm.

    python -m benchmarks.chaos --minutes 10 --seed 1 [--without-mlflow] [--s3]

For so many minutes, faults are injected at random (``benchmarks.chaos_faults``); a run that ends by one is started
again by the same command, as often as it takes; a study that is complete is compared, and begun again in another
folder. All rows of ``trials``, ``task_metrics``, ``curves`` and ``summary`` must equal those of a run by one worker
that nothing disturbed, to the last bit, except for what says how the work was done: times, attempts, memory. With
MLflow, a real server with SQLite must agree after ``modstudy sync``. With ``--s3`` runs are kept in a bucket of an S3
server that answers 500 or late at times, in place of a disk that is full at times.

Prints faults injected, rows lost, and seconds lost. Exit status 1 if any row differs. Linux only; the full disk needs
the right to mount, and is left out with a note where there is none.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.chaos_faults import LIVE, Scene
from benchmarks.chaos_mlflow import disagreements, server_in
from benchmarks.chaos_places import STUDY_NAME, bucket_of, disk_of
from benchmarks.chaos_report import Report, compare, tables
from benchmarks.loopback_cluster import LoopbackCluster, token
from results.tables.store import read_table
from study.layout import RunFolder

SMALL = """
data:
  source: {kind: generated, train_images: 96, validation_images: 32, test_images: 32}
  tasks: [Smiling, Glasses]
  image_size: 48
network: {width: 0.0625}
batches: {batch_size: 16}
optimization: {epochs: 4}
evaluation: {triplets_per_task: 100}
space:
  blocks: [{placement: [none, late]}]
  nuisance:
    learning_rate: {low: 1e-3, high: 1e-2, log: true}
search: {trials_per_arm: 4, round_size: 2, halving: {rungs: [2], keep: 0.5}}
confirm: {seeds: [1, 2]}
"""
"""All but the name of a study of a few seconds, with rounds, halving and confirm trials."""

STUDY = f"""
name: {STUDY_NAME}
{SMALL}
resources: {{silence_s: 12, retries_by_kind: {{killed: 100, hung: 100}}}}
"""

_ROOT = str(Path(__file__).parents[1])
_BETWEEN_FAULTS_S = (2.0, 9.0)
_DAMAGED = 0.4  # share of restarts before which a file is damaged
_START_S = 40.0
_NODES = 2  # beside the head
_DISK_MB = 96
_PATIENCE_S = 400.0
_ENDED_BY_FAULTS = (1, 2, 130, -9)


@dataclass(frozen=True)
class Site:
    """Where it happens: the study file, and the environment of all its processes."""

    path: Path
    environment: dict[str, str]

    def start(self, verb: str, runs: Path | str, *options: str) -> subprocess.Popen[str]:
        """Start a command on the study; ``run`` begins or resumes it."""
        command = [sys.executable, "-m", "study", verb, str(self.path / "study.yaml"), "--runs-dir", str(runs)]
        return subprocess.Popen(
            [*command, *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def disturbed_run(site: Site, scene: Scene, report: Report, until: float) -> None:
    """Run the study to its end under faults, none after ``until`` but for the first."""
    runs = scene.place.runs(len(report.chaos_s))
    begun = time.monotonic()
    while True:
        if not scene.nodes.head.is_alive:
            scene.nodes.end()
            scene.nodes = three_nodes(site.environment)
        if scene.server is not None:
            scene.server.ensure()
        tracking = [] if scene.server else ["--no-tracking"]
        scene.driver = site.start("run", runs, "--address", scene.nodes.address, *tracking)
        before = report.faults.total()
        output = _disturb(scene, report, until)
        if scene.driver.returncode == 0:
            break
        if scene.driver.returncode not in _ENDED_BY_FAULTS or (report.faults.total() == before and "Trace" in output):
            report.unexpected.append(f"status {scene.driver.returncode}: {output[-2000:]}")
            break
        if time.monotonic() - begun > until - begun + _PATIENCE_S:
            report.unexpected.append(f"no end in {_PATIENCE_S:g} s after the last fault: {output[-2000:]}")
            break
        if time.monotonic() < until and scene.chance.random() < _DAMAGED and (done := scene.place.damage(scene.chance)):
            report.faults[done] += 1
    report.chaos_s.append(time.monotonic() - begun)


def three_nodes(environment: dict[str, str]) -> LoopbackCluster:
    """Return a cluster of a head without CPUs and two nodes of one CPU each."""
    nodes = LoopbackCluster(environment)
    for _ in range(_NODES):
        nodes.add_node()
    return nodes


def _disturb(scene: Scene, report: Report, until: float) -> str:
    """Inject faults until the driver ends, none after ``until`` but for the first; return what it said."""
    driver = scene.driver
    if driver is None:
        raise AssertionError("a driver has been started")
    _wait_for_trainers(scene, until)
    while time.monotonic() < until + _PATIENCE_S:
        try:
            return driver.communicate(timeout=scene.chance.uniform(*_BETWEEN_FAULTS_S))[0]
        except subprocess.TimeoutExpired:
            while scene.nodes.head.is_alive and len(scene.nodes.living()) < _NODES:
                scene.nodes.add_node()
            of_processes = {name: partial(fault, scene) for name, fault in LIVE.items()}
            faults = {**of_processes, **scene.place.faults()}
            name = scene.chance.choice(list(faults))
            if (time.monotonic() < until or not report.faults) and faults[name]():
                report.faults[name] += 1
                print(f"{time.strftime('%X')} {name}", flush=True)
    driver.kill()
    return f"hung: {driver.communicate()[0]}"


def _wait_for_trainers(scene: Scene, until: float) -> None:
    """Wait until some trial is trained, since faults while a run starts find little to damage; not for long."""
    end = min(until, time.monotonic() + _START_S)
    while time.monotonic() < end and scene.driver is not None and scene.driver.poll() is None:
        if any(node.trainers() for node in scene.nodes.living()):
            return
        time.sleep(0.2)


def mirrored(site: Site, scene: Scene, number: int) -> list[str]:
    """Sync the runs of a complete study, and return where MLflow does not agree; nothing without a server."""
    if scene.server is None:
        return []
    scene.server.ensure()
    sync = site.start("sync", scene.place.runs(number))
    output = sync.communicate(timeout=_PATIENCE_S)[0]
    if sync.returncode:
        return [f"sync: status {sync.returncode}: {output[-500:]}"]
    trials = read_table(scene.place.folder(number).tables, "trials")
    return disagreements(scene.server, "chaos", trials)


def chaos(minutes: float, seed: int, *, mlflow: bool, s3: bool = False) -> Report:
    """Run the study calm, then disturbed for so long, and compare."""
    report = Report()
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        (path / "study.yaml").write_text(STUDY)
        cache = path / "cache"
        in_place = bucket_of(path) if s3 else disk_of(path / "disk", _DISK_MB, cache)
        place = stack.enter_context(in_place)  # before the environment is looked at: a bucket is found by it
        here = {"MODSTUDY_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONPATH": _ROOT, **token()}
        server = server_in(path) if mlflow else None
        site = Site(path, {**os.environ, **here, **({"MLFLOW_TRACKING_URI": server.uri} if server else {})})
        report.calm_s, calm = _calm(site)
        if not place.faults():
            print("note: no small file system can be mounted here, so no disk is filled", flush=True)
        chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        scene = Scene(chance, three_nodes(site.environment), place, server=server)
        try:
            until = time.monotonic() + 60 * minutes
            while time.monotonic() < until and not report.unexpected:
                disturbed_run(site, scene, report, until)
                if not report.unexpected:
                    number = len(report.chaos_s) - 1
                    compare(calm, tables(place.folder(number)), report)
                    report.differing += mirrored(site, scene, number)
        finally:
            if server is not None:
                server.kill()
            scene.nodes.end()
    return report


def _calm(site: Site) -> tuple[float, dict[str, pd.DataFrame]]:
    """Run the study by one worker, undisturbed; return its seconds and its tables."""
    begun = time.monotonic()
    run = site.start("run", site.path / "calm", "--workers", "1", "--no-tracking")
    try:
        output = run.communicate(timeout=_PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGTERM)  # with its Ray
        raise RuntimeError(f"the calm run did not end: {run.communicate()[0]}") from None
    if run.returncode:
        raise RuntimeError(f"the calm run failed: {output}")
    return time.monotonic() - begun, tables(RunFolder(site.path / "calm" / STUDY_NAME))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-mlflow", action="store_true")
    parser.add_argument("--s3", action="store_true", help="keep runs in a bucket rather than on a disk")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no node outlives this process
    report = chaos(arguments.minutes, arguments.seed, mlflow=not arguments.without_mlflow, s3=arguments.s3)
    print(*report.lines(), sep="\n", flush=True)
    return 0 if report.equal else 1


if __name__ == "__main__":
    sys.exit(main())
