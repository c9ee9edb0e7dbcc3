"""Where MLflow is not installed: a run says what to do, and needs none with ``--no-tracking``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("ray")

WITHOUT_MLFLOW = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mlflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refused())
from study.cli import main
sys.argv[0] = "modstudy"
main()
"""


@pytest.fixture
def without_mlflow(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command where MLflow is not installed, beside a study file of two trials."""
    study = "name: one\ndata: {source: {kind: generated, train_images: 24, validation_images: 12, test_images: 12},"
    study += " tasks: [Smiling], image_size: 48}\nnetwork: {width: 0.0625}\nbatches: {batch_size: 12}\n"
    study += "optimization: {epochs: 1}\nevaluation: {triplets_per_task: 20}\nsearch: {trials_per_arm: 1}\n"
    study += "space: {blocks: [{placement: none}]}\nconfirm: {seeds: [1]}\n"
    (tmp_path / "one.yaml").write_text(study)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the code is this file's
            [sys.executable, "-c", WITHOUT_MLFLOW, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    return command


def test_a_run_where_mlflow_is_not_installed_is_refused_with_the_way_out(
    tmp_path: Path, without_mlflow: Callable[..., subprocess.CompletedProcess[str]]
):
    refused = without_mlflow("run", "one.yaml")
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: MLflow is not installed; install it with: pip install mlflow, or run without it: --no-tracking"
        " (in Python: tracking=False)\n"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_a_study_runs_where_mlflow_is_not_installed(
    tmp_path: Path, without_mlflow: Callable[..., subprocess.CompletedProcess[str]]
):
    done = without_mlflow("run", "one.yaml", "--no-tracking")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/one/report/report.md").is_file()
