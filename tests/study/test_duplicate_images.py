"""The same image in training and in test makes every figure too good: found, counted, named, and refused."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from typer.testing import CliRunner, Result

from results.analysis.reported import Results
from study.cli import app
from study.collect.collect import collect_progress, read_progress
from study.definition.loading import load_study
from study.layout import RunFolder
from study.plan.checks import prepare_images
from study.plan.plan import StudyPlan, compile_plan
from study.session.reading import report_origin, write_study_report
from study.session.target import Target
from trainables.config.identity import trial_id

STUDY = """
name: shoes
data:
  source: {kind: table, path: shoes.csv, image_column: file}
  tasks: [kind]
  image_size: 48
  max_corrupt_share: 0
network: {width: 0.0625}
batches: {batch_size: 6}
optimization: {epochs: 1, steps_per_epoch: 1}
evaluation: {triplets_per_task: 10}
space: {blocks: [{placement: [none]}]}
confirm: {seeds: [1]}
"""
ALLOWED = STUDY.replace("max_corrupt_share: 0", "max_duplicate_share: 1")


@pytest.fixture
def shoes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight different images a split."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = ["file,kind,split"]
    for split in ("train", "validation", "test"):
        for number in range(8):
            pixels = rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{split}{number}.png")
            rows.append(f"{split}{number}.png,{'ab'[number % 2]},{split}")
    (tmp_path / "shoes.csv").write_text("\n".join(rows))
    (tmp_path / "shoes.yaml").write_text(STUDY)
    return tmp_path


def modstudy(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def everywhere_the_same(folder: Path) -> None:
    for split in ("validation", "test"):
        for number in range(8):
            shutil.copy(folder / f"train{number}.png", folder / f"{split}{number}.png")


def test_identical_splits_are_refused_by_check_plan_and_run(shoes: Path) -> None:
    everywhere_the_same(shoes)
    refused = "16 of 16 validation and test images (100.00%) also appear in another split"
    assert modstudy("plan", "shoes.yaml").exit_code == 0  # nobody has decoded the images yet
    check = modstudy("data", "check", "shoes.yaml")
    assert check.exit_code == 1
    assert f"must be fixed: data.max_duplicate_share: {refused}" in check.output
    assert "in two splits: train train0.png = validation validation0.png = test test0.png" in check.output
    for command in ("plan", "run"):
        result = modstudy(command, "shoes.yaml")
        assert result.exit_code == 2
        assert f"shoes.yaml: data.max_duplicate_share: {refused}, by decoded pixels, where 0.00% is" in result.stderr
        assert "or allow them: max_duplicate_share: 1\n" in result.stderr
    assert not list(shoes.rglob("journal.jsonl"))


def test_copies_in_another_file_format_are_found(shoes: Path) -> None:
    picture = Image.open(shoes / "train3.png")
    note = PngImagePlugin.PngInfo()
    note.add_text("Software", "another program")
    picture.save(shoes / "test0.png", pnginfo=note, compress_level=0)
    picture.save(shoes / "test1.png", format="BMP")
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down, shown upright
    picture.rotate(180).save(turned, format="PNG", exif=exif)
    (shoes / "validation5.png").write_bytes(turned.getvalue())
    check = modstudy("data", "check", "shoes.yaml")
    assert "3 of 16 validation and test images (18.75%) also appear in another split" in check.output
    same = ("train train3.png", "validation validation5.png", "test test0.png", "test test1.png")
    assert f"in two splits: {' = '.join(same)}\n" in check.output
    assert "or allow them: max_duplicate_share: 0.1875" in check.output


def test_duplicates_inside_a_split_are_named_and_no_reason_to_refuse(shoes: Path) -> None:
    shutil.copy(shoes / "train1.png", shoes / "train7.png")
    check = modstudy("data", "check", "shoes.yaml")
    assert check.exit_code == 0, check.output
    assert "images that repeat another of their split: 1 in train, 0 in validation, 0 in test" in check.output
    assert "in one split: train train1.png = train train7.png" in check.output


def test_what_is_allowed_is_no_part_of_a_trial(shoes: Path) -> None:
    (strict,) = compile_plan(load_study(Path("shoes.yaml"))).arms
    Path("allowed.yaml").write_text(ALLOWED)
    plan = compile_plan(load_study(Path("allowed.yaml")))
    assert trial_id(plan.arms[0].config, plan.data_fingerprint) == trial_id(strict.config, plan.data_fingerprint)


def test_the_report_says_what_share_was_found(shoes: Path, plan: StudyPlan, folder: RunFolder, journaling: Any) -> None:
    target = Target(plan.definition, shoes / "tiny.yaml", folder)
    prepare_images(plan, folder)
    journaling.play(plan)
    progress = read_progress(folder)
    sentence = (
        "Duplicates: 0 of 24 validation and test images (0.00%) also appear in another split, by decoded pixels; "
        "images that repeat another of their split: 0 in train, 0 in validation, 0 in test"
    )
    facts = report_origin(target, progress).data_facts
    assert sentence in facts
    assert "Images: train 24, validation 12, test 12; 0 corrupt images excluded" in " ".join(facts)
    shutil.rmtree(shoes / "cache")  # a report is also written where neither images nor a record of them can be read
    folder.data.write_text('{"data_fingerprint": ')
    results = Results.of(collect_progress(folder, progress))
    assert "Duplicates:" not in write_study_report(target, progress, results).details.read_text()
