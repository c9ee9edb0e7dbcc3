"""The command from a study file to a level of the next study."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from search_spaces.affinity_groups import grouping_score
from study.affinity import measure_affinity
from study.cli import app
from study.definition.loading import load_study
from study.plan.plan import compile_plan

TASKS = ["Smiling", "Mouth_Open", "Glasses"]
STUDY = """
name: pilot
data:
  source: {kind: generated, train_images: 48, validation_images: 12, test_images: 12}
  tasks: [Smiling, Mouth_Open, Glasses]
  image_size: 48
network: {width: 0.0625, batch_norm_momentum: 0.1}
batches: {batch_size: 24}
optimization: {epochs: 2}
space:
  blocks: [{placement: [late]}]
  fixed: {learning_rate: 2e-3}
"""


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "pilot.yaml"
    path.write_text(STUDY)
    return path


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_from_a_study_to_a_level_of_the_next(study_file: Path, tmp_path: Path) -> None:
    result = modstudy("affinity", study_file, "--every-steps", 1, "--out", tmp_path / "groups.yaml")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "one shared network, 4 steps, 4 of them measured" in text
    assert f"matrices and groupings: {tmp_path}/groups.yaml" in text
    assert "tag-2" in text
    found = read(tmp_path / "groups.yaml")
    assert found["tasks"] == TASKS
    assert list(found["groupings"]) == ["tag-2", "tag-3", "cosine-2", "cosine-3"]
    for groups in found["groupings"].values():
        assert sorted(task for group in groups for task in group) == sorted(TASKS)
    assert found["scores"]["tag-3"] is None
    assert [len(row) for row in found["affinity"]] == [3, 3, 3]
    assert list(found["stage_cosine"]) == ["conv1", "res2", "res3", "res4", "res5", "fc"]
    assert found["pilot"]["optimization"]["learning_rate"] == 0.002
    assert found["pilot"]["modulation"]["points"] == []
    assert "source" not in found["pilot"]["data"]
    assert found["data_fingerprint"] == compile_plan(load_study(study_file)).data_fingerprint
    with Image.open(tmp_path / "groups.png") as heat_map:
        assert heat_map.width > heat_map.height > 200

    level = "{groups: {file: groups.yaml, name: tag-2}}"
    study_file.write_text(STUDY.replace("{placement: [late]}", f"{{placement: [late], grouping: [{level}]}}"))
    planned = modstudy("plan", study_file, "--json", "--runs-dir", tmp_path)
    assert planned.exit_code == 0, planned.output
    (arm,) = yaml.safe_load(planned.output)["arms"]
    assert arm["name"] == "late+tag-2"
    assert sorted(map(sorted, arm["grouping"]["groups"])) == sorted(map(sorted, found["groupings"]["tag-2"]))


def test_by_default_it_lies_in_the_run_folder_and_is_the_same_again(study_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "pilot" / "affinity"
    texts = []
    for _ in range(2):
        result = modstudy("affinity", study_file, "--every-steps", 2, "--runs-dir", tmp_path / "runs")
        assert result.exit_code == 0, result.output
        texts.append((folder / "affinity.yaml").read_text())
    assert texts[0] == texts[1]
    assert sorted(path.name for path in folder.iterdir()) == ["affinity.png", "affinity.yaml"]


def test_the_score_is_that_of_the_measured_matrix(study_file: Path) -> None:
    told: list[int] = []
    found = measure_affinity(load_study(study_file), 4, lambda *at: told.append(at[0]))
    assert told == [1, 2, 3, 4]
    groups = found.groupings["tag-2"].groups
    indices = tuple(tuple(TASKS.index(task) for task in group) for group in groups)
    assert found.groupings["tag-2"].score == grouping_score(found.measured.affinity, indices)


def test_many_tasks_are_told_of_by_their_best_and_worst_partners(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.commands.affinity.MOST_PRINTED_TASKS", 2)
    result = modstudy("affinity", study_file, "--every-steps", 4, "--runs-dir", tmp_path)
    assert result.exit_code == 0, result.output
    assert "highest from" in result.output


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "epochs: 2",
            "epochs: 1",
            "every_steps (--every-steps): should be from 1 to 2, the steps of training, got 3",
        ),
        ("Smiling", "Smilin", "data.tasks: generated faces have no task 'Smilin'; did you mean 'Smiling'?"),
        (", Mouth_Open, Glasses]", "]", "affinity needs at least two tasks, got ['Smiling']"),
        ("batch_size: 24", "batch_size: 49", "batches.batch_size is 49, but only 48 training images have a label"),
        (
            "{epochs: 2}\nspace:\n  blocks: [{placement: [late]}]\n  fixed: {learning_rate: 2e-3}",
            "{epochs: 2, learning_rate: 1e+38, optimizer: sgd}",
            "optimization: the pilot broke off: the loss is not finite in step",
        ),
    ],
)
def test_what_is_refused(study_file: Path, tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in STUDY
    study_file.write_text(STUDY.replace(old, new))
    result = modstudy("affinity", study_file, "--every-steps", 3, "--runs-dir", tmp_path / "runs")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"error: {study_file}: {problem}"), result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.long
def test_ctrl_c_leaves_nothing_behind(study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(STUDY.replace("epochs: 2", "epochs: 100000"))
    command = [sys.executable, "-m", "study", "affinity", str(study_file), "--runs-dir", str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        while not list((tmp_path / "cache").glob("datasets-*/*/manifest.json")):  # then it is training, or about to
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Stopped; nothing was written." in output
    assert "Traceback" not in errors
    assert not (tmp_path / "runs").exists()
