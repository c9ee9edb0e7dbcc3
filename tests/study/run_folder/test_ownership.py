"""A name stands for one study: another one under it is refused; more of the same one is the same command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from study.cli import app
from study.definition.loading import dump_study, load_study
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan, compile_plan
from study.run_folder.ownership import refuse_another_rule, refuse_another_study

GENERATED = {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12}
READING = ("status", "collect", "report", "sync")


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rewrite(file: Path, **sections: Any) -> None:
    settings = yaml.safe_load(file.read_text())
    for section, values in sections.items():
        settings[section] = settings.get(section, {}) | values
    file.write_text(yaml.safe_dump(settings))


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        (
            {"data": {"tasks": ["Smiling", "Hat"]}},
            'data.tasks was ["Smiling", "Glasses"] and is now ["Smiling", "Hat"]',
        ),
        ({"data": {"tasks": ["Glasses", "Smiling"]}}, "data.tasks was"),
        ({"data": {"image_size": 50}}, "data.image_size was 48 and is now 50"),
        (
            {"data": {"source": {"kind": "generated", "train_images": 30}}},
            "data.source.train_images was 24 and is now 30",
        ),
        (
            {"data": {"source": GENERATED | {"exaggeration": 2.0}}},
            "data.source.exaggeration was 1.0 and is now 2.0",
        ),
        ({"seeds": {"data_seed": 5}}, "seeds.data_seed was 0 and is now 5"),
    ],
    ids=["tasks", "order", "size", "images", "faces", "seed"],
)
def test_other_tasks_or_data_under_a_used_name_are_refused_with_two_ways_out(
    played: RunFolder, study_file: Path, sections: dict[str, Any], named: str
) -> None:
    before = played.plan.read_bytes()
    rewrite(study_file, **sections)
    for command in ("plan", "run", "affinity", *READING):
        result = modstudy(command, study_file)
        assert result.exit_code == 2, command
        said = " ".join(result.output.split())
        assert f"its trials belong to another study named 'tiny': {named}" in said
        assert "give this study another name, or another folder for its runs (--runs-dir, in Python folder=)" in said
    assert played.plan.read_bytes() == before
    assert modstudy("plan", study_file, "--runs-dir", study_file.parent / "elsewhere").exit_code == 0
    study_file.write_text(study_file.read_text().replace("name: tiny", "name: tiny2"))
    assert modstudy("plan", study_file).exit_code == 0


@pytest.mark.parametrize(
    "sections",
    [
        {"confirm": {"seeds": [1, 2, 3]}},
        {"search": {"trials_per_arm": 5}},
        {"space": {"blocks": [{"placement": ["none", "late", "all"]}]}},
        {"optimization": {"epochs": 3}},
        {"data": {"fit": "pad", "max_corrupt_share": 0.5}},
        {"agreement": {"every_epochs": 1}},
    ],
    ids=["seeds", "trials", "arms", "epochs", "what does not act", "monitoring"],
)
def test_more_of_a_study_is_the_same_study(played: RunFolder, study_file: Path, sections: dict[str, Any]) -> None:
    rewrite(study_file, **sections)
    write_plan(compile_plan(load_study(study_file)), played)
    assert modstudy("status", study_file).exit_code == 0


def table_of_images(folder: Path, shade: int) -> None:
    folder.mkdir(parents=True)
    rows = ["file,colour"]
    for number in range(90):
        Image.new("RGB", (48, 48), (shade + number, number % 2 * 200, 0)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'red' if number % 2 else 'blue'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def test_moved_images_are_the_same_study_and_others_in_their_place_are_not(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    table_of_images(tmp_path / "a", 0)
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    table_of_images(tmp_path / "b", 100)
    file = tmp_path / "own.yaml"

    def using(folder: str) -> Path:
        source = {"kind": "table", "path": f"{folder}/labels.csv", "image_column": "file"}
        data = {"source": source, "tasks": ["colour"], "image_size": 48}
        file.write_text(
            yaml.safe_dump({"name": "own", "data": data, "network": {"width": 0.0625}, "batches": {"batch_size": 12}})
        )
        return file

    run = RunFolder(tmp_path / "runs" / "own")
    write_plan(compile_plan(load_study(using("a"))), run)
    run.definition.write_text(dump_study(load_study(file)))
    run.trial("0" * 16).journal.parent.mkdir(parents=True)
    run.trial("0" * 16).journal.write_text("")
    assert modstudy("status", using("moved")).exit_code == 0
    assert modstudy("plan", file).exit_code == 0
    using("b")
    for command in ("plan", "run", "status"):
        result = modstudy(command, file)
        assert result.exit_code == 2
        assert "data.source.path was" in result.output
        assert "which contains other images or labels" in " ".join(result.output.split())


def test_a_run_is_found_beside_its_study_file_from_anywhere(
    played: RunFolder, study_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    planned = modstudy("plan", Path("..") / study_file.name)
    assert "15 of them done" in planned.output
    assert f"run folder: {played.path}" in planned.output.replace("\n", "")
    assert "15 of 15 trials done" in modstudy("status", Path("..") / study_file.name).output
    explicit = modstudy("plan", Path("..") / study_file.name, "--runs-dir", "runs")
    assert "0 of them done" in explicit.output  # this very folder was asked for
    assert f"{elsewhere}/runs/tiny (nothing has been run there yet)" in explicit.output.replace("\n", "")


def test_a_run_below_the_current_folder_is_found_as_long_as_none_lies_beside_the_file(
    played: RunFolder, study_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    studies = tmp_path / "studies"
    studies.mkdir()
    moved = studies / study_file.name
    study_file.rename(moved)
    monkeypatch.chdir(tmp_path)
    assert "15 of them done" in modstudy("plan", Path("studies") / moved.name).output
    shutil.copytree(played.path, studies / "runs" / "tiny")
    (studies / "runs" / "tiny" / "trials").rename(studies / "other")
    assert "0 of them done" in modstudy("plan", Path("studies") / moved.name).output


def test_a_damaged_plan_stands_in_nobodys_way(plan: StudyPlan, played: RunFolder) -> None:
    for damage in ("", "{", "[]", "{}"):
        played.plan.write_text(damage)
        write_plan(plan, played)


def test_the_refusal_comes_from_write_plan_too(plan: StudyPlan, played: RunFolder, study_file: Path) -> None:
    rewrite(study_file, data={"tasks": ["Smiling", "Hat"]})
    with pytest.raises(UserError, match="another study named 'tiny'"):
        write_plan(compile_plan(load_study(study_file)), played)


def test_a_plan_refuses_another_selection_or_halving_as_run_does(played: RunFolder, study_file: Path) -> None:
    rewrite(study_file, selection={"metric": "recall_at_1"})
    said = [" ".join(modstudy(command, study_file).output.split()) for command in ("plan", "run")]
    assert "selection: " in said[0]
    assert "give the changed study another name" in said[0]
    assert said[0] == said[1]


def test_a_plan_that_lacks_newer_keys_was_made_with_their_defaults(played: RunFolder, study_file: Path) -> None:
    document = json.loads(played.plan.read_text())
    document["definition"]["search"]["halving"] = {"rungs": [1], "keep": 0.5}  # before ``schedule``
    document["definition"]["data"]["source"].pop("exaggeration", None)
    played.plan.write_text(json.dumps(document))
    rewrite(study_file, search={"halving": {"rungs": [1]}})
    definition = load_study(study_file)
    refuse_another_rule(definition, played)
    refuse_another_study(definition, None, played)
    rewrite(study_file, search={"halving": {"rungs": [1], "schedule": "restart"}})
    with pytest.raises(UserError, match=r"search\.halving"):
        refuse_another_rule(load_study(study_file), played)
