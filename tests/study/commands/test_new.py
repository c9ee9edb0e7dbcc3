"""``modstudy new``: a study file from a built-in study."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from study.cli import app
from study.commands.new import with_data, with_name
from study.definition.loading import built_in_studies, load_study, needs_data, parse_study


def new(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["new", *map(str, arguments)])


def problem(*arguments: object) -> str:
    result = new(*arguments)
    assert result.exit_code == 2
    return result.stderr


def test_a_copy_has_the_name_of_its_file_and_keeps_the_comments(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    result = new("smoke", file)
    assert result.exit_code == 0, result.output
    definition = load_study(file)
    assert definition == load_study(Path("smoke")).model_copy(update={"name": "mine"})
    original = built_in_studies()["smoke"].read_text()
    assert file.read_text() == original.replace("name: smoke", "name: mine")
    assert f"modstudy run {file}" in " ".join(result.output.split())


@pytest.mark.parametrize("folder", ["images", "a folder", 'it\'s \\ "odd" {x}: # y', "größe"])
def test_the_folder_of_the_images_is_filled_in(tmp_path: Path, folder: str) -> None:
    text = (
        "name: x\n"
        "data:\n"
        "  source: {kind: parquet} # here\n"
        "  tasks: [a]\n"
        "loss: {margin: 0.2} # kept\n"
    )  # fmt: skip
    filled = with_data(with_name(text, "mine"), str(tmp_path / folder))
    definition = parse_study(tmp_path / "mine.yaml", filled)
    assert definition.name == "mine"
    assert definition.data.source.model_dump()["path"] == tmp_path / folder
    assert [line.rpartition("#")[2] for line in filled.splitlines() if line.endswith(("here", "kept"))] == [
        " here",
        " kept",
    ]


def test_studies_that_need_images_say_so(tmp_path: Path) -> None:
    needing = [name for name, file in built_in_studies().items() if needs_data(yaml.safe_load(file.read_text()))]
    assert needing == ["csn", "modern", "released"]
    for name in needing:
        result = CliRunner().invoke(app, ["run", name])
        assert result.exit_code == 2
        expected = f"modstudy new {name} my-{name}.yaml --data FOLDER"
        assert result.stderr == (
            f"error: {name}: this study needs your own images; make a copy that names their folder: {expected}\n"
        )


def test_refusals(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    assert problem("releasd", file) == "error: releasd: no such built-in study; did you mean 'released'?\n"
    assert "this study needs your own images: --data FOLDER" in problem("released", file)
    assert "no such folder" in problem("released", file, "--data", tmp_path / "nothing")
    assert "generates its images; omit --data" in problem("smoke", file, "--data", tmp_path)
    assert "choose another name" in problem("smoke", tmp_path / "靴.yaml")
    assert list(tmp_path.iterdir()) == []
    file.write_text("mine")
    assert "already exists" in problem("smoke", file)
    assert file.read_text() == "mine"
    assert "No such file or directory" in problem("smoke", tmp_path / "missing" / "x.yaml")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("My Shoes.yaml", "my-shoes"),
        ("No Name.yaml", "no-name"),
        ("Größe.yaml", "groe"),
        (".hidden.yaml", "hidden"),
        ("2024.yaml", "2024"),
        ("1e3.yml", "1e3"),
        ("no.yaml", "no"),
        ("null.yaml", "null"),
        ("x" * 200 + ".yaml", "x" * 100),
    ],
)
def test_a_study_is_named_after_whatever_its_file_is_called(tmp_path: Path, file: str, name: str) -> None:
    result = new("smoke", tmp_path / file)
    assert result.exit_code == 0, result.output
    assert load_study(tmp_path / file).name == name
