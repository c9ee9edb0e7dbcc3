"""Results read with a definition other than the one they were planned with: shown, with a note that names the keys."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from study import Study
from study.layout import RunFolder
from study.plan.checks import prepare_images
from study.plan.data_record import data_facts, left_out_of_run
from study.schedule.progress import read_progress
from study.session.reading import report_origin
from study.status.status import StudyStatus

CHANGED = "optimization.epochs was 2 and is now 20"


def edited(file: Path, old: str, new: str) -> Study:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return Study(file)


def test_every_way_to_read_results_names_the_settings_that_have_changed(
    study_file: Path, played: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    study = edited(study_file, "epochs: 2", "epochs: 20")
    status: StudyStatus = study.status()
    assert CHANGED in " ".join(status.notes)
    assert CHANGED in repr(status)
    assert f"modstudy run {study_file}" in study.notes()[0]
    assert CHANGED in " ".join(report_origin(study.target, read_progress(played)).notes)
    with caplog.at_level(logging.WARNING):
        assert len(study.summary) > 0
        study.figure("tradeoff")
    assert [CHANGED in record.message for record in caplog.records] == [True]  # once, and the figure is drawn


def test_the_same_study_gives_no_note(study_file: Path, played: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    study = edited(study_file, "name: tiny", "name: tiny\nresources: {cpus: 2}")
    assert study.notes() == []
    with caplog.at_level(logging.WARNING):
        assert len(study.trials) > 0
    assert not caplog.records


def test_other_arms_are_named_without_their_values(study_file: Path, played: RunFolder) -> None:
    edited(study_file, "trials_per_arm: 3", "trials_per_arm: 4")
    study = Study.from_dict(
        {**Study(study_file).definition.to_dict(), "space": {"blocks": [{"placement": ["none", "all"]}]}},
        folder=played.path,
    )
    (note,) = study.notes()
    assert (
        "changed since: space.blocks; space.nuisance.learning_rate; search.trials_per_arm was 3 and is now 4; to train"
        in note
    )
    assert note.endswith("to train what is missing: .run()")


def test_a_damaged_record_of_the_images_tells_nothing(played: RunFolder) -> None:
    for text in ("", "[]", '{"data_fingerprint": "a", "corrupt": 1}'):
        played.data.write_text(text)
        assert left_out_of_run(played, "a") == ()


def test_images_that_cannot_be_read_are_named_by_check_plan_run_and_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "pictures"
    folder.mkdir()
    rows = ["file,kind"]
    for number in range(120):
        Image.new("RGB", (48, 48), (number, 100, 7)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]}")
    (folder / "own.csv").write_text("\n".join([*rows, "gone.png,a"]))
    study = Study.from_images(folder, folder=tmp_path / "runs" / "pictures")
    assert study.plan().warnings == ()  # nothing has been decoded yet
    found = study.check_data()
    assert [image.finding for image in found.description.corrupt_images] == [
        f"own.csv, line 122: gone.png: listed, but there is no such image in {folder}"
    ]
    (warning,) = study.plan().warnings
    assert warning.startswith("1 of 121 images are left out: own.csv, line 122: gone.png: listed")
    prepare_images(study.target.compile(), study.target.folder)
    assert left_out_of_run(study.target.folder, found.description.fingerprint) == (warning,)
    assert "1 corrupt image excluded" in data_facts(study.target.folder, found.description.fingerprint)[0]
