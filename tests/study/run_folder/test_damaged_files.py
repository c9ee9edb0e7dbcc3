"""A damaged file of a run folder that can be made again is made again, and no command ends in a traceback over it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from results.tables.store import read_table, table_path
from study.cli import app
from study.collect.collect import collect, read_summary
from study.definition.loading import load_study
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import planned_definition, write_plan
from study.plan.plan import StudyPlan
from study.plan.run_files import write_study_as_run
from study.run_folder.run_lock import run_lock
from study.session.mirror import tracker_of
from study.session.target import Target, find_run, find_target

SHAPES = {
    "empty": b"",
    "cut": None,
    "zeros": b"\0" * 512,
    "no text": b"\xff\xfe\x00",
    "list": b"[]",
    "nothing": b"{}",
    "null": b"null",
    "number": b"7",
    "deep": b"[" * 100_000,
}


@pytest.fixture
def target(study_file: Path, folder: RunFolder) -> Target:
    """A folder as ``modstudy run`` leaves it before the first trial."""
    definition = load_study(study_file)
    write_study_as_run(definition, folder)
    return Target(definition, study_file, folder)


def damage(path: Path, shape: str) -> None:
    content = SHAPES[shape]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)


@pytest.mark.parametrize("shape", [*SHAPES, "missing"])
def test_a_damaged_plan_is_written_anew(target: Target, shape: str, caplog: pytest.LogCaptureFixture) -> None:
    whole = target.folder.plan.read_bytes()
    if shape == "missing":
        target.folder.plan.unlink()
    else:
        damage(target.folder.plan, shape)
    with caplog.at_level(logging.WARNING):
        find_run(target.folder.path, Path("runs"))
    assert target.folder.plan.read_bytes() == whole
    assert "rebuilt from study.yaml" in caplog.text


@pytest.mark.parametrize("key", ["study", "definition", "data_fingerprint", "arms", "arms.storage", "definition.data"])
def test_a_plan_without_a_key_is_written_anew(target: Target, key: str) -> None:
    whole = target.folder.plan.read_bytes()
    document = json.loads(whole)
    *sections, last = key.split(".")
    section: Any = document
    for part in sections:
        section = section[part]
    del (section[0] if isinstance(section, list) else section)[last]
    target.folder.plan.write_text(json.dumps(document))
    find_run(target.folder.path, Path("runs"))
    assert target.folder.plan.read_bytes() == whole


def test_a_damaged_plan_is_written_anew_also_where_the_images_are_not(
    target: Target, plan: StudyPlan, journaling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journaling.play(plan)
    whole = target.folder.plan.read_bytes()
    damage(target.folder.plan, "empty")
    monkeypatch.setattr("study.plan.plan.fingerprint_of", None)  # as if they lay on another machine
    find_run(target.folder.path, Path("runs"))
    assert target.folder.plan.read_bytes() == whole


@pytest.mark.parametrize("key", ["results_version", "data_fingerprint"])
def test_a_plan_with_a_value_of_another_kind_is_written_anew(target: Target, key: str) -> None:
    whole = target.folder.plan.read_bytes()
    target.folder.plan.write_text(json.dumps({**json.loads(whole), key: ["x"]}))
    find_run(target.folder.path, Path("runs"))
    assert target.folder.plan.read_bytes() == whole


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("definition", {}),
        ("definition.data", None),
        ("definition.data.source", {}),
        ("definition.data.fit", 3),
        ("definition.seeds", []),
        ("definition.selection", "x"),
        ("definition.search", {}),
        ("definition.tracking", "x"),
        ("results_version", 0),
        ("results_version", -5),
        ("arms", [{"arm_id": "a", "name": "b", "storage": []}]),
        ("arms", [None]),
    ],
)
def test_a_plan_with_trials_and_a_part_of_another_shape_is_written_anew(
    target: Target, plan: StudyPlan, journaling: Any, place: str, value: Any
) -> None:
    journaling.play(plan)
    whole = target.folder.plan.read_bytes()
    document = json.loads(whole)
    *sections, last = place.split(".")
    section: Any = document
    for part in sections:
        section = section[part]
    section[last] = value
    target.folder.plan.write_text(json.dumps(document))
    assert (
        CliRunner().invoke(app, ["plan", str(target.file), "--runs-dir", str(target.folder.path.parent)]).exit_code == 0
    )
    assert CliRunner().invoke(app, ["status", str(target.folder.path)]).exit_code == 0
    assert target.folder.plan.read_bytes() == whole


@pytest.mark.parametrize("shape", SHAPES)
def test_run_replaces_a_damaged_plan(target: Target, plan: StudyPlan, journaling: Any, shape: str) -> None:
    journaling.play(plan)
    whole = target.folder.plan.read_bytes()
    damage(target.folder.plan, shape)
    write_plan(plan, target.folder)
    assert target.folder.plan.read_bytes() == whole


@pytest.mark.parametrize("shape", ["empty", "cut", "zeros", "missing"])
def test_a_damaged_study_file_of_a_run_is_written_anew(target: Target, shape: str) -> None:
    if shape == "missing":
        target.folder.definition.unlink()
    else:
        damage(target.folder.definition, shape)
    assert find_target(target.folder.path, Path("runs")).definition == planned_definition(target.folder)
    assert load_study(target.folder.definition) == planned_definition(target.folder)


def test_a_study_file_cut_between_two_lines_is_not_taken_for_a_shorter_study(target: Target) -> None:
    lines = target.folder.definition.read_text().splitlines(keepends=True)
    for count in range(len(lines)):
        target.folder.definition.write_text("".join(lines[:count]))
        assert find_target(target.folder.path, Path("runs")).definition == planned_definition(target.folder)


def test_what_a_user_wrote_into_the_study_file_is_not_damage(target: Target) -> None:
    text = target.folder.definition.read_text()
    target.folder.definition.write_text(text.replace("epochs: 2", "epochs: -2"))
    with pytest.raises(UserError, match=r"study\.yaml: optimization\.epochs"):
        find_target(target.folder.path, Path("runs"))
    target.folder.definition.write_text(text.replace("epochs: 2", "epochs: 3"))
    assert find_target(target.folder.path, Path("runs")).definition.optimization.epochs == 3
    for behind in ("tracking: {experiment: mine}\n", "\n", "# a note without an end"):
        target.folder.definition.write_text(text + behind)
        find_target(target.folder.path, Path("runs"))
        assert target.folder.definition.read_text() == text + behind


def test_with_both_files_damaged_the_line_says_what_to_do(target: Target) -> None:
    damage(target.folder.plan, "empty")
    damage(target.folder.definition, "empty")
    with pytest.raises(UserError, match=r"study\.yaml: damaged, .*plan\.json: damaged .*modstudy run"):
        find_run(target.folder.path, Path("runs"))


@pytest.mark.parametrize("shape", ["cut", "zeros", "list", "nothing", "deep", "other values"])
def test_a_damaged_note_of_mlflow_runs_stops_nothing(
    target: Target, plan: StudyPlan, journaling: Any, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    journaling.play(plan)
    target.folder.mlflow_runs.write_text(json.dumps({"study": "s", "arms": {}, "trials": {"t": "r"}}))
    if shape == "other values":
        target.folder.mlflow_runs.write_text('{"trials": {"t": 3}}')
    else:
        damage(target.folder.mlflow_runs, shape)
    with caplog.at_level(logging.WARNING):
        trials = collect(target.folder)["trials"]
    assert trials["mlflow_run_id"].isna().all()
    assert "mlflow_runs.json: damaged" in caplog.text


@pytest.mark.parametrize("shape", ["[]", "3", "{}", "{", '{"pid": 1}', "\0\0", "[" * 4000])
def test_a_damaged_note_of_who_runs_a_study_is_still_a_refusal(target: Target, shape: str) -> None:
    with run_lock(target.folder):
        target.folder.lock.write_text(shape)
        with pytest.raises(UserError, match="already being run by another process"), run_lock(target.folder):
            pass


@pytest.mark.parametrize("shapes", [[*SHAPES][:1], pytest.param([*SHAPES][1:], marks=pytest.mark.long)], ids=str)
def test_sync_makes_damaged_tables_again(shapes: list[str], target: Target, plan: StudyPlan, journaling: Any) -> None:
    journaling.play(plan)
    before = collect(target.folder)["summary"]
    for shape in shapes:
        damage(table_path(target.folder.tables, "summary"), shape)
        pd.testing.assert_frame_equal(read_summary(target.folder), before)
    damage(table_path(target.folder.tables, "summary"), "cut")
    tracker_of(target).sync(target.folder)
    pd.testing.assert_frame_equal(read_table(target.folder.tables, "summary"), before)
