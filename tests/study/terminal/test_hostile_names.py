"""Names as enemies choose them, through every command that prints them, on a real terminal and into a pipe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient
from PIL import Image
from typer.testing import CliRunner

from results.plain_text import visible
from study.cli import app
from study.layout import RunFolder, sqlite_uri
from study.plan.plan import StudyPlan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of

TASKS = ["price=$$", "[bold red]x[/] :heart:", "a\x1b[31mb\x07", "\u202egnp.exe", "颜色 <b>", "zero\u200bwidth"]
CLASSES = ["[link=http://e]y[/link]", "n\x1b]0;title\x07"]


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study on images of one's own whose tasks and classes are hostile."""
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    images = tmp_path / "own [red]"
    images.mkdir()
    rows = [",".join(["file", "split", "price", *TASKS[1:]])]
    for number in range(24):
        Image.new("RGB", (9, 9), (number * 9, 100, 7)).save(images / f"{number}.png")
        split = ("train", "validation", "test")[number % 3]
        which = number // 3 % 2
        rows.append(",".join([f"{number}.png", split, "$" * (1 + which), *[CLASSES[which]] * len(TASKS[1:])]))
    (images / "own.csv").write_text("\n".join(rows), encoding="utf-8")
    (images / "0.png").write_bytes(b"\x1b[31mno image")
    source = {"kind": "table", "path": str(images / "own.csv"), "image_column": "file"}
    document = {
        "name": "hostile",
        "description": "*What* <b>is</b> $$ [x](y) \x1b[31m?",
        "data": {"source": source, "tasks": TASKS, "image_size": 48, "max_corrupt_share": 0.5},
        "network": {"width": 0.0625},
        "batches": {"batch_size": 6},
        "space": {"blocks": [{"placement": ["none", "late"]}]},
        "search": {"trials_per_arm": 1},
        "confirm": {"seeds": [1, 2]},
        "optimization": {"epochs": 1},
    }
    path = tmp_path / "hostile.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def lines_of(*command: object) -> list[str]:
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output.split("\n")


def test_no_command_prints_a_name_as_anything_but_text(
    study_file: Path, plan: StudyPlan, folder: RunFolder, journaling: Any
) -> None:
    failing = progress_of(plan, {}, DrawnRounds()).arms[1][1].tune[0]
    journaling.start(failing, epochs=0)
    journaling.append(failing, "failed", kind="crashed", message="\x1b[2J[red]gone[/]\r\n:boom:", traceback="")
    runs = ("--runs-dir", folder.path.parent)
    printed = {
        command: lines_of(*command.split(), study_file, *runs)
        for command in ("plan", "status", "data", "data check", "report", "sync")
    }
    for command, lines in printed.items():
        assert all(line.isprintable() for line in lines), command
    assert any("\\x1b[2J[red]gone[/] :boom:" in line for line in printed["status"])
    for command in ("plan", "data", "data check"):
        text = "\n".join(printed[command])
        for task in TASKS:
            assert visible(task) in text, (command, task)
    assert visible(CLASSES[0]) in "\n".join(printed["data"])
    assert visible(CLASSES[1]) in "\n".join(printed["data"])
    note = MlflowClient(sqlite_uri(folder.mlflow_store)).get_run(study_run(folder)).data.tags["mlflow.note.content"]
    assert "\n\n\\*What\\* &lt;b&gt;is&lt;/b&gt; \\$\\$ [x\\](y) [31m?\n\n" in note  # MLflow shows notes as Markdown


def study_run(folder: RunFolder) -> str:
    return str(json.loads(folder.mlflow_runs.read_text(encoding="utf-8"))["study"])


def test_an_error_shows_a_name_as_text(study_file: Path, tmp_path: Path) -> None:
    text = (
        study_file.read_text(encoding="utf-8")
        .replace("price=$$", "pri\\x1b[31mce")
        .replace("- pri", '- "pri')
        .replace("31mce", '31mce"')
    )
    study_file.write_text(text, encoding="utf-8")
    (error,) = filter(None, lines_of("plan", study_file))
    assert error.startswith("error: ")
    assert error.isprintable()
    (error,) = filter(None, lines_of("status", tmp_path / "no\x1b[31m\nsuch"))
    assert "no\\x1b[31m\\nsuch" in error


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
def test_on_a_terminal_names_move_nothing(size: tuple[int, int], study_file: Path, open_terminal: Any) -> None:
    cache = str(study_file.parent / "cache")
    terminal = open_terminal("-m", "study", "data", study_file, size=size, MODSTUDY_CACHE=cache)
    assert terminal.wait() == 0, terminal.shown
    styles = set(re.findall(rb"\x1b[^a-zA-Z]*[a-zA-Z]", terminal.raw)) - {b"\x1b[0m", b"\x1b[1m"}
    assert not {style for style in styles if style.endswith(b"m") and b"31" in style}, styles
    assert b"\x1b]0" not in terminal.raw
    whole = re.sub(r"\s+", "", terminal.shown)
    for task in TASKS:
        assert re.sub(r"\s+", "", visible(task)) in whole, (task, terminal.shown)
