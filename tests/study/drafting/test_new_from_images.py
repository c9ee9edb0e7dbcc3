"""``modstudy new FILE --data FOLDER``: a look at the folder, and a study that runs on what is there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from study import Study
from study.cli import app
from study.definition.loading import load_study
from study.layout import RunFolder
from study.plan.checks import prepare_images
from study.plan.plan import compile_plan
from trainables.run import run_trial

SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def picture(number: int, size: tuple[int, int] = (70, 90)) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(number))


def rows(count: int = 60) -> list[dict[str, str]]:
    """A kind, a colour, an id, one value for all, and fractions."""
    return [
        {
            "filename": f"{number:02}.png",
            "sku": f"A{number}",
            "price": f"{number}.5",
            "kind": "boot" if number % 2 else "sandal",
            "colour: main": ("red", "green", "#blue")[number // 2 % 3],
            "brand": "ours",
            "set": ("train", "val", "test")[number // 6 % 3],
        }
        for number in range(count)
    ]


def csv_folder(home: Path, columns: tuple[str, ...], delimiter: str = ",", images: str = "") -> Path:
    folder = home / "it's: a #folder"
    table = [[row[name] for name in columns] for row in rows()]
    for number in range(60):
        write(folder / images / f"{number:02}.png", number)
    text = "\n".join(delimiter.join(line) for line in [list(columns), *table])
    (folder / "shoes.csv").write_text(text)
    return folder


def parquet_folder(home: Path) -> Path:
    folder = home / "parquet"
    folder.mkdir()
    for split in SPLITS:
        own = [row for row in rows() if {"val": "validation"}.get(row["set"], row["set"]) == split]
        images = [{"bytes": picture(int(row["filename"][:2])), "path": row["filename"]} for row in own]
        table = pa.table(
            {
                "price": [float(row["price"]) for row in own],
                "picture": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
                **{name: [row[name] for row in own] for name in ("sku", "kind", "colour: main", "brand")},
            }
        )
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


def class_folders(home: Path, *, splits: bool) -> Path:
    folder = home / "classes"
    for number, row in enumerate(rows()):
        write(folder / (row["set"] if splits else "") / row["kind"] / row["filename"], number)
    return folder


def celeba_folder(home: Path) -> Path:
    folder = home / "celeba"
    names = [f"{number:06d}.jpg" for number in range(1, 61)]
    for number, name in enumerate(names):
        write(folder / "img_align_celeba" / name, number)
    values = [f"{name} {1 if n % 2 else -1} {1 if n // 2 % 2 else -1} -1" for n, name in enumerate(names)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["60", "Smiling Hat Bald", *values]) + "\n")
    flags = "\n".join(f"{name} {number // 20}" for number, name in enumerate(names))
    (folder / "list_eval_partition.txt").write_text(flags + "\n")
    return folder


def zappos_folder(home: Path) -> Path:
    folder = home / "zappos"
    lines = ["CID,Category,SubCategory,HeelHeight,Insole,Closure,Gender,Material,ToeStyle"]
    for number in range(60):
        write(folder / "ut-zap50k-images" / "Shoes" / "Flats" / "Born" / f"{7000 + number}.1.jpg", number)
        lines.append(f"{7000 + number}-1,{'Shoes' if number % 2 else 'Boots'},Flats,Flat,,,Women,Leather,")
    (folder / "ut-zap50k-data").mkdir()
    (folder / "ut-zap50k-data" / "meta-data.csv").write_text("\n".join(lines))
    return folder


ALL = ("sku", "filename", "price", "kind", "colour: main", "brand", "set")
CASES: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any], tuple[str, ...]]] = {
    "CSV": (
        lambda home: csv_folder(home, ALL),
        "table",
        {"image_column": "filename", "split_column": "set"},
        ("kind", "colour: main"),
    ),
    "CSV with semicolons, images below": (
        lambda home: csv_folder(home, ("kind", "filename"), ";", "pictures/all"),
        "table",
        {"image_column": "filename", "delimiter": ";"},
        ("kind",),
    ),
    "Parquet": (parquet_folder, "parquet", {}, ("kind", "colour: main")),
    "CelebA": (celeba_folder, "celeba", {}, ("Smiling", "Hat")),
    "Zappos": (zappos_folder, "zappos50k", {}, ("class",)),
    "class folders": (lambda home: class_folders(home, splits=False), "table", {}, ("class",)),
    "class folders in split folders": (lambda home: class_folders(home, splits=True), "table", {}, ("class",)),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_study_of_a_folder_plans_and_prepares(home: Path, case: str) -> None:
    make, kind, keys, tasks = CASES[case]
    folder = make(home)
    result = modstudy("new", "mine", "--data", folder)
    assert result.exit_code == 0, result.output + result.stderr
    definition = load_study(Path("mine.yaml"))
    assert definition.name == "mine"
    assert definition.data.source.kind == kind
    assert definition.data.source.model_dump().items() >= keys.items()
    assert definition.data.tasks == tasks
    assert definition.data.image_size == 64  # of 70 x 90
    assert (definition.optimization.epochs, definition.optimization.steps_per_epoch) == (10, 20)  # a pass has 2 steps
    planned = modstudy("plan", "mine.yaml")
    assert planned.exit_code == 0, planned.stderr
    plan = compile_plan(definition)
    prepare_images(plan, RunFolder(home / "run"))  # refuses what no study could be made of


@pytest.mark.slow
def test_a_trial_of_a_written_study_trains(home: Path) -> None:
    assert modstudy("new", "mine.yaml", "--data", csv_folder(home, ALL)).exit_code == 0
    config = compile_plan(load_study(Path("mine.yaml"))).arms[-1].config
    short = config.optimization.model_copy(update={"epochs": 1, "steps_per_epoch": 2})
    outcome = run_trial(
        config.model_copy(update={"optimization": short}),
        report=lambda _: None,
        workspace=home / "trial",
        cache=home / "cache",
    )
    assert outcome.epochs_run == 1


def test_columns_that_are_no_tasks_are_left_out_with_the_reason(home: Path) -> None:
    folder = csv_folder(home, ALL)
    assert modstudy("new", "mine", "--data", folder).exit_code == 0
    text = Path("mine.yaml").read_text()
    assert "  # left out: sku: 24 classes for 24 labelled training images\n" in text
    assert "  # left out: price: 24 classes for 24 labelled training images\n" in text
    assert "  # left out: brand: only one class in training\n" in text
    assert max(map(len, text.splitlines())) <= 200  # the folder's own path may be long


def test_tasks_beyond_eight_are_listed(home: Path) -> None:
    folder = home / "many"
    names = [f"t{number}" for number in range(12)]
    lines = ["file," + ",".join(names)]
    for number in range(60):
        write(folder / f"{number}.png", number)
        lines.append(
            f"{number}.png," + ",".join(str((number >> (task % 4)) * (task + 3) % 7 % 2) for task in range(12))
        )
    (folder / "x.csv").write_text("\n".join(lines))
    assert modstudy("new", "mine", "--data", folder).exit_code == 0
    text = Path("mine.yaml").read_text()
    tasks = load_study(Path("mine.yaml")).data.tasks
    assert len(tasks) == 8
    rest = [name for name in names if name not in tasks]
    assert "  # also possible: " in text
    assert [name for name in rest if name in text.partition("# also possible: ")[2]] == rest


def test_several_tables_are_told_apart_by_pointing_at_one(home: Path) -> None:
    folder = csv_folder(home, ALL)
    (folder / "more.csv").write_text((folder / "shoes.csv").read_text())
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    refused = modstudy("new", "mine", "--data", folder)
    assert refused.exit_code == 2
    assert "several tables list images (more.csv, shoes.csv); give the path of one of them" in refused.stderr
    assert modstudy("new", "mine", "--data", folder / "more.csv").exit_code == 0
    assert load_study(Path("mine.yaml")).data.source.place == str(folder / "more.csv")


def test_what_is_no_data_set_is_said_with_what_to_do(home: Path) -> None:
    def problem(data: Path) -> str:
        result = modstudy("new", "mine", "--data", data)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert list(Path().iterdir()) == []
        return result.stderr

    empty = home / "empty"
    empty.mkdir()
    assert "holds data of no known kind" in problem(empty)
    assert problem(empty).endswith("; it is empty\n")
    write(home / "images" / "a.png", 1)
    assert "it contains 1 images and nothing that labels them: put a CSV file into it" in problem(home / "images")
    (home / "images.csv").write_text("file,kind\na.png,boot\n")
    assert f"if {home / 'images.csv'} labels them, name that file in place of" in problem(home / "images")
    assert "a.png: is a file; name its folder" in problem(home / "images" / "a.png")
    (home / "outer" / "inner").mkdir(parents=True)
    parquet_folder(home).rename(home / "outer" / "inner" / "data")
    assert f"{home / 'outer' / 'inner'} contains data of kind parquet: use that folder" in problem(home / "outer")
    (empty / "labels.csv").write_text("name,kind\nx,1\n")
    assert "no column of labels.csv names image files" in problem(empty)
    for number in range(6):
        write(home / "two" / ("train", "test")[number % 2] / "ab"[number // 3] / f"{number}.png", number)
    assert "class folders for test and train, none for validation: move a part" in problem(home / "two")
    ids = home / "ids"
    write(ids / "0.png", 0)
    write(ids / "1.png", 1)
    write(ids / "2.png", 2)
    (ids / "x.csv").write_text("file,sku\n0.png,a\n1.png,b\n2.png,c\n")
    assert "no column can be a task; sku: " in problem(ids)
    assert "no such folder" in problem(home / "nowhere")


def test_one_name_alone_says_what_is_missing(home: Path) -> None:
    assert "also name the study file to write" in modstudy("new", "smoke").stderr
    assert "also name the study file to write" in modstudy("new", "smoke", "--data", home).stderr
    assert "say what to write it from: a folder of images" in modstudy("new", "mine.yaml").stderr


def test_a_built_in_study_is_not_made_for_images_of_another_kind(home: Path) -> None:
    folder = csv_folder(home, ALL)
    result = modstudy("new", "modern", "mine.yaml", "--data", folder)
    assert result.exit_code == 2
    assert "modern: reads images of kind celeba, but" in result.stderr
    assert "for these: modstudy new mine.yaml --data" in result.stderr
    assert modstudy("new", "modern", "mine.yaml", "--data", celeba_folder(home)).exit_code == 0


def test_a_wrong_image_column_is_named_with_the_columns_that_look_like_one(home: Path) -> None:
    folder = csv_folder(home, ("sku", "kind", "filename"))
    source = {"kind": "table", "path": str(folder / "shoes.csv")}
    Path("mine.yaml").write_text(json.dumps({"name": "mine", "data": {"source": source, "tasks": ["kind"]}}))
    for command in (("plan",), ("data", "check"), ("run",)):
        result = modstudy(*command, "mine.yaml")
        assert result.exit_code == 2, result.output
        expected = "has no column 'image'; the values of 'filename' look like image file names\n"
        assert result.stderr.startswith("error: mine.yaml: data.source.image_column: ")
        assert result.stderr.endswith(expected)
    checked = modstudy("data", "check", folder)
    assert "table: " in checked.output, checked.stderr


def test_changes_of_the_drafted_space_replace_what_they_name(home: Path) -> None:
    folder = csv_folder(home, ALL)

    def space(**change: Any) -> dict[str, Any]:
        return Study.from_images(folder, space=change).definition.space.written()

    drafted = space()
    arms = space(blocks=[{"placement": ["none", "late"]}])
    assert [block["placement"] for block in arms["blocks"]] == [["none", "late"]]
    assert arms["nuisance"] == drafted["nuisance"]
    assert space(catalog="grouping")["nuisance"] == drafted["nuisance"]
    margin = space(nuisance={"margin": {"low": 0.2, "high": 0.3}})
    assert margin["nuisance"]["margin"]["high"] == 0.3
    assert margin["nuisance"]["learning_rate"] == drafted["nuisance"]["learning_rate"]
    assert margin["blocks"] == drafted["blocks"]
    fixed = space(fixed={"learning_rate": 0.01})
    assert (list(fixed["nuisance"]), fixed["fixed"]) == (["margin"], {"learning_rate": 0.01})
