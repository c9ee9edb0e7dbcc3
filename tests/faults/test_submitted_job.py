"""A study submitted to the job server of a real cluster that asks for a token: its driver lives there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.loopback_cluster import LoopbackCluster
from benchmarks.s3_server import S3Server
from study.journal.index import read_states

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.long, pytest.mark.timeout(900)]

OTHER_VERSION = "0.0.1+job"


@pytest.fixture(scope="module")
def cluster(site, s3_server: S3Server) -> Iterator[LoopbackCluster]:
    """A head that serves jobs and trains; a second node of one machine would remove the folder that a job runs in."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MODSTUDY_CACHE", str(site.path / "cache"))
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])))
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("RAY_AUTH_MODE", "token")
    patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    for name, value in s3_server.environment.items():
        patch.setenv(name, value)
    made = LoopbackCluster({}, head_cpus=2, jobs=True)
    try:
        yield made
    finally:
        made.end()
        patch.undo()


def test_a_job_is_stopped_and_submitted_again_to_the_same_tables(  # noqa: PLR0917 - fixtures
    site, undisturbed, cluster: LoopbackCluster, wait_for, stop_while_training, assert_same
) -> None:
    jobs = jobs_of(cluster)
    first = submitted(site.path / "study.yaml", str(site.path / "job"), cluster)
    wait_for(lambda: jobs.get_job_status(first).is_terminal() or begun_epochs(site) >= 2)
    assert jobs.get_job_status(first) == "RUNNING", jobs.get_job_logs(first)
    worker = stop_while_training(site.folder("job"), cluster.head.trainers)  # so that the study cannot end before
    jobs.stop_job(first)
    ended(jobs, first, wait_for)
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.kill()
    assert jobs.get_job_status(first) == "STOPPED", jobs.get_job_logs(first)
    begun = site.epochs("job")
    second = submitted(site.path / "study.yaml", str(site.path / "job"), cluster)
    ended(jobs, second, wait_for)
    assert jobs.get_job_status(second) == "SUCCEEDED", jobs.get_job_logs(second)
    assert begun < site.epochs("job")
    assert_same(site.tables("job"), undisturbed)


@pytest.fixture(scope="module")
def two_trials(new_site, site) -> Path:
    """A study that is only to be done, with the images of the others."""
    text = (site.path / "study.yaml").read_text()
    for longer, shorter in {
        "[none, late]": "[none]",
        "epochs: 4": "epochs: 1",
        "{trials_per_arm: 4, round_size: 2, halving: {rungs: [2], keep: 0.5}}": "{trials_per_arm: 1}",
        "seeds: [1, 2]": "seeds: [1]",
    }.items():
        assert longer in text
        text = text.replace(longer, shorter)
    return new_site(text).path / "study.yaml"


def test_a_job_writes_into_an_object_store(two_trials: Path, cluster: LoopbackCluster, wait_for) -> None:
    import s3fs

    bucket = f"jobs{secrets.token_hex(4)}"
    s3fs.S3FileSystem().mkdir(bucket)
    jobs = jobs_of(cluster)
    job = submitted(two_trials, f"s3://{bucket}/runs", cluster)
    ended(jobs, job, wait_for)
    assert jobs.get_job_status(job) == "SUCCEEDED", jobs.get_job_logs(job)
    kept = s3fs.S3FileSystem().find(f"{bucket}/runs/faults")
    assert any("/tables/summary" in key for key in kept)


def test_a_job_runs_from_the_wheel_it_was_given(site, two_trials: Path, wheel, cluster, wait_for) -> None:
    jobs = jobs_of(cluster)
    job = submitted(two_trials, str(site.path / "wheel"), cluster, "--wheel", str(wheel))
    ended(jobs, job, wait_for)
    log = jobs.get_job_logs(job)
    assert jobs.get_job_status(job) == "SUCCEEDED", log
    (code,) = [line for line in log.splitlines() if line.endswith("study/__main__.py")]
    assert "/working_dir_files/" in code
    ours = {name: version(name) for name in ("torch", "ray", "optuna")}
    recorded = [state.history.software for state in read_states(site.folder("wheel")).values()]
    assert recorded
    for software in recorded:
        assert software["modulation-study"] == OTHER_VERSION
        assert ours.items() <= software.items()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout under another version, whose command says where its code is."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    project = tomllib.loads(Path("pyproject.toml").read_text())
    for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(name, source)
    text = Path("pyproject.toml").read_text()
    told = f'version = "{project["project"]["version"]}"'
    assert told in text
    (source / "pyproject.toml").write_text(text.replace(told, f'version = "{OTHER_VERSION}"', 1))
    command = source / "study" / "__main__.py"
    command.write_text(f"print(__file__, flush=True)\n{command.read_text()}")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(dist), str(source)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    if built.returncode != 0:
        pytest.skip(f"no wheel can be built here (it needs hatchling, from an index): {built.stderr[-300:]}")
    (made,) = dist.iterdir()
    return made


def begun_epochs(site) -> int:
    return site.epochs("job") if site.folder("job").trials.is_dir() else 0


def jobs_of(cluster: LoopbackCluster) -> JobSubmissionClient:
    """Return a client with the token of the cluster: Ray has read the mode of this process when it was imported."""
    from ray.job_submission import JobSubmissionClient  # reads Ray's variables

    return JobSubmissionClient(cluster.dashboard, headers={"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"})


def submitted(study: Path, runs: str, cluster: LoopbackCluster, *options: str) -> str:
    """Submit a study by the command, and return the id of the job."""
    command = [sys.executable, "-m", "study", "submit", str(study), "--address", cluster.dashboard]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--runs-dir", runs, "--no-tracking", *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert runs in done.stdout
    return done.stdout.split(" is job ")[1].split(";")[0]


def ended(jobs: JobSubmissionClient, job: str, wait_for: Callable[[Callable[[], bool]], None]) -> None:
    wait_for(lambda: jobs.get_job_status(job).is_terminal())
