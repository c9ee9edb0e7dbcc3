"""What a plan can see, it says: a warning each, with the key and the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from study import Study
from study.cli import app
from study.definition.loading import load_study
from study.layout import RunFolder
from study.plan.cost import usable_cpus
from study.plan.document import write_plan
from study.plan.foresight import foreseen
from study.plan.plan import compile_plan
from study.schedule.progress import read_progress
from study.session.reading import report_origin

STUDY = """
name: shoes
data:
  source: {kind: table, path: shoes.csv, image_column: file}
  tasks: [kind]
  image_size: 48
network: {width: 0.0625}
batches: {batch_size: 6}
space: {blocks: [{placement: [none]}]}
confirm: {seeds: [1]}
"""


@pytest.fixture
def shoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve images of 60 x 80 pixels a split; one kind stands in test alone, one once in training."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = ["file,kind,one,split"]
    for split in ("train", "validation", "test"):
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (80, 60, 3), dtype=np.uint8)).save(f"{split}{number}.png")
            kind = "sandal" if (split, number) == ("test", 3) else "clog" if number == 5 else "ab"[number % 2]
            same = "x" if split == "train" else "xy"[number % 2]
            rows.append(f"{split}{number}.png,{kind},{same},{split}")
    Path("shoes.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.mark.parametrize(
    ("search", "schedule", "warned"),
    [
        ("{halving: {rungs: [2]}}", "cosine", True),
        ("{halving: {rungs: [2], schedule: restart}}", "cosine", False),
        ("{halving: {rungs: [2]}}", "constant", False),
        ("{}", "cosine", False),
    ],
)
def test_rungs_inside_a_falling_learning_rate(shoes: Path, search: str, schedule: str, warned: bool) -> None:
    text = STUDY + f"optimization: {{epochs: 4, schedule: {schedule}}}\nsearch: {search}\n"
    (shoes / "rungs.yaml").write_text(text)
    plan = compile_plan(load_study(shoes / "rungs.yaml"))
    found = foreseen(plan)
    assert any(line.startswith("search.halving: at rung 2 of 4 epochs the cosine") for line in found) is warned
    study = Study(shoes / "rungs.yaml", folder=shoes / "run")
    folder = RunFolder(shoes / "run")
    write_plan(plan, folder)
    said = "tune trials are compared at epoch 2 of 4, before the cosine schedule has ended"
    of_report = report_origin(study.target, read_progress(folder)).notes
    assert [said in note for note in study.notes()] == [said in note for note in of_report] == [True] * warned


def warnings(text: str) -> list[str]:
    """Return what ``plan`` warns of, as text and as JSON alike."""
    Path("shoes.yaml").write_text(text)
    shown = CliRunner().invoke(app, ["plan", "shoes.yaml"])
    assert shown.exit_code == 0, shown.output
    document: dict[str, Any] = json.loads(CliRunner().invoke(app, ["plan", "shoes.yaml", "--json"]).output)
    lines = [line for line in shown.output.splitlines() if line.startswith("warning: ")]
    assert lines == [f"warning: {warning}" for warning in document["warnings"]]
    return list(document["warnings"])


def test_classes_that_cannot_be_learned_are_said(shoes: Path) -> None:
    (warning,) = warnings(STUDY)
    assert warning == (
        "data.tasks: 'kind': no training image, but evaluated: 'sandal'; other splits would include them; "
        "one training image, so no positive: 'clog'; merge or omit such classes"
    )


def test_images_that_are_enlarged_are_said(shoes: Path) -> None:
    large = STUDY.replace("image_size: 48", "image_size: 512")
    expected = (
        "enlarges images of 60 to 80 pixels a side 8.5-fold, which costs time and adds no information; 60 keeps all"
    )
    assert f"data.image_size: 512 {expected} detail" in warnings(large)
    assert "6.4-fold" in warnings(large.replace("image_size: 512", "image_size: 512\n  fit: pad"))[0]
    assert not any("enlarges" in warning for warning in warnings(STUDY.replace("image_size: 48", "image_size: 96")))


def test_a_folder_without_the_listed_images_is_said(shoes: Path) -> None:
    assert not any("can be read" in warning for warning in warnings(STUDY))
    for image in shoes.rglob("*.png"):
        image.unlink()
    assert any("no image of a sample of those that" in warning for warning in warnings(STUDY))


def test_what_this_machine_lacks_is_said(shoes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = warnings(f"{STUDY}resources: {{gpus: 1, cpus: {usable_cpus() + 1}}}\n")
    assert found[0].startswith(
        "resources.gpus: a trial needs 1, this machine has no GPU that CUDA can use; a cluster may"
    )
    assert f"this machine has {usable_cpus()}; a cluster may have it" in found[1]
    assert not foreseen(compile_plan(load_study(Path("shoes.yaml"))), elsewhere=True)[:-1]
    assert (
        "resources.gpus is 0, so trials get no GPU"
        in warnings(f"{STUDY}compute: {{device: cuda}}\nresources: {{gpus: 0}}\n")[1]
    )


def test_a_task_of_one_class_is_said_or_refused(shoes: Path) -> None:
    Path("shoes.yaml").write_text(STUDY.replace("[kind]", "[one]"))
    result = CliRunner().invoke(app, ["plan", "shoes.yaml"])
    assert "'one'" in result.output + result.stderr
    assert "class" in (result.output + result.stderr).partition("'one'")[2]


def test_a_sound_study_is_planned_without_a_warning(study_file: Path) -> None:
    assert foreseen(compile_plan(load_study(study_file))) == ()


@pytest.mark.parametrize(("weights", "warned"), [("all", True), ("front", True), ("best", False)])
def test_a_number_of_kept_arms_that_decides_nothing_is_said(make_plan, weights: str, warned: bool) -> None:
    found = foreseen(make_plan(retention={"weights": weights, "best_arms": 2}))
    line = f"retention.best_arms: does nothing with retention.weights {weights}; set that to best"
    assert (line in found) is warned
    assert not any("best_arms" in line for line in foreseen(make_plan(retention={"weights": weights})))


def test_pruning_over_arms_in_a_single_round_is_said(make_plan) -> None:
    def search(trials: int) -> dict[str, object]:
        halving = {"rungs": [1], "schedule": "restart", "stop_beaten": True}
        return {"trials_per_arm": trials, "round_size": 4, "halving": halving}

    assert any("search.halving.stop_beaten: does nothing" in line for line in foreseen(make_plan(search=search(4))))
    assert not any("stop_beaten" in line for line in foreseen(make_plan(search=search(5))))
