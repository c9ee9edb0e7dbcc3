"""What the pages show works: Python runs, study files load, commands, links and files exist."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer
import yaml
from mlflow.tracking import MlflowClient
from PIL import Image

from study import Study
from study.cli import app
from study.definition.loading import load_study
from study.definition.tracking_address import store_address
from study.layout import RunFolder, sqlite_uri
from study.plan.plan import compile_plan
from study.tracking.tracker import Tracker

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "docs" / "studies").rglob("*.md")),
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]

FACES = """
name: fragment
data: {tasks: [Smiling, Mouth_Open, Glasses, Hat, Hair_Colour, Face_Shape, Age_Lines, Beard], image_size: 48}
optimization: {epochs: 9}
"""
"""What parts of study files are put into."""

_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?P<place>[^)#\s]*)(#(?P<anchor>[^)\s]+))?\)")


@dataclass(frozen=True)
class Block:
    page: Path
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}: {' '.join(self.text.split())[:40]}"


def blocks(language: str, pages: list[Path] = PAGES) -> list[Block]:
    return [
        Block(page, found["text"])
        for page in pages
        if page.exists()
        for found in _FENCE.finditer(page.read_text(encoding="utf-8"))
        if found["language"] == language
    ]


def run_page(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other, as a reader would, in a folder; return their names."""
    monkeypatch.chdir(home)
    names: dict[str, Any] = {}
    for block in blocks("python", [REPOSITORY / "docs" / name]):
        exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - the committed page is what is tested
    return names


def test_every_page_with_python_is_run_below():
    """The README's own part is python.md's with longer training."""
    assert {block.page.name for block in blocks("python")} - {"README.md"} == {
        "tables.md",
        "mlflow.md",
        "networks.md",
        "own-data.md",
        "packs.md",
        "python.md",
        "queries.md",
        "retrieval.md",
        "statistics.md",
    }


def test_seeds_are_planned_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert run_page("statistics.md", tmp_path, monkeypatch)["seeds_needed"]  # the block asserts what the text says


def test_tables_are_read_as_shown(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    run_page("tables.md", tiny_run.path.parents[1], monkeypatch)
    printed = capsys.readouterr().out
    assert "late" in printed
    assert "Smiling" in printed
    assert "added parameters over those without modulation | share" in printed


def test_questions_are_answered_as_shown(
    tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Three ways to the same numbers: the summary table, DuckDB and Polars over the single trials."""
    names = run_page("queries.md", tiny_run.path.parents[1], monkeypatch)
    summary, again = names["ranked"].set_index("arm"), names["ranked_again"].set_index("arm")
    for arm, row in again.iterrows():
        assert row["mean"] == pytest.approx(summary.loc[arm, "triplet_accuracy_mean"])
    gain = (names["paired"]["value"] - names["paired"]["value_shared"]).mean()
    assert gain == pytest.approx(summary.loc["late", "delta_shared_mean"])
    assert set(names["front"]["arm"]) <= set(summary.index)
    assert names["spread"]["lowest"].min() <= names["spread"]["mean"].min()
    assert set(names["everything"]["study"]) == {"tiny"}


def test_packs_are_used_as_shown(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    Study(tiny_run.path).export(arm="late", out=tmp_path / "packs")
    run_page("packs.md", tmp_path, monkeypatch)
    first, last = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "0"  # the first image is most like itself
    assert last == "('Glasses',)"
    capsys.readouterr()
    run_page("retrieval.md", tmp_path, monkeypatch)
    added, *matches, facts = capsys.readouterr().out.splitlines()
    assert added == "20 []"
    assert [line.split()[0] for line in matches] == ["1", "2", "3"]
    assert facts.startswith("20 ")


@pytest.mark.xdist_group("ray")
def test_python_runs_a_study_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, start_ray: Callable[[], None]
):
    start_ray()
    for index in range(60):
        place = tmp_path / "photos" / ("left", "right")[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (index, 2 * index, 255 - index)).save(place / f"{index}.png")
    run_page("python.md", tmp_path, monkeypatch)
    assert capsys.readouterr().out.split()[-1] == "6"


def test_mlflow_is_read_as_shown(tiny_run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    Tracker(store_address(tiny_run, None), "tiny").sync(tiny_run)
    run_page("mlflow.md", tiny_run.path.parents[1], monkeypatch)
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"shared", "separate", "late"}
    client = MlflowClient(sqlite_uri(tiny_run.mlflow_store))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    filters = (REPOSITORY / "docs/mlflow.md").read_text().partition("| to see | filter | sort by |")[2]
    rows = re.findall(r"\| (`+) ?(.+?) ?\1 \| `(.+)` \|$", filters, re.MULTILINE)
    found = {
        condition: len(client.search_runs([experiment], condition, order_by=[f"metrics.`{order}` DESC"]))
        for _, condition, order in rows
    }
    assert len(found) == 5
    assert [
        count > 0 for condition, count in found.items() if "failed" not in condition and "> 0.6" not in condition
    ] == [
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path):
    group = typer.main.get_command(app)
    for call in re.findall(r"modstudy ([a-z]+[^`\n]*)", page.read_text(encoding="utf-8")):
        name, *rest = call.split()
        command = group.commands.get(name)
        assert command is not None, f"modstudy {name}"
        if isinstance(command, click.Group) and rest and rest[0] in command.commands:
            command = command.commands[rest[0]]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in rest if word.startswith("--")} <= known, f"modstudy {call}"


def test_files_that_are_named_exist():
    for page in PAGES:
        for place in re.findall(r"`((?:study|trainables|results|search_spaces|tests)/[\w/.]+)`", page.read_text()):
            assert (REPOSITORY / place).exists(), f"{page.name}: {place}"


def test_no_example_compares_trials_in_the_middle_of_a_schedule():
    studies = [*(REPOSITORY / "study" / "configs").glob("*.yaml"), *(REPOSITORY / "docs" / "studies").rglob("*.yaml")]
    found = [
        (page.name, halving)
        for page in (*PAGES, *studies)
        for halving in re.findall(r"\bhalving: *(?:\{[^}]*\}|\n(?: +.*\n)+)", page.read_text(encoding="utf-8"))
    ]
    assert len({name for name, _ in found}) >= 3  # README, the protocol, own data
    assert [where for where in found if "schedule: restart" not in where[1]] == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_study_files_load(block: Block, tmp_path: Path):
    shown = yaml.safe_load(block.text)
    study = shown if "name" in shown else {**yaml.safe_load(FACES), **shown}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    for module in (part for part in blocks("python", [block.page]) if part.text.startswith("# ")):
        (tmp_path / module.text.split()[1]).write_text(module.text, encoding="utf-8")
    if weights := study.get("network", {}).get("weights"):
        (tmp_path / weights["path"]).write_bytes(b"a plan hashes start weights and reads no tensor")
    definition = load_study(tmp_path / "study.yaml")
    if definition.data.source.kind == "generated":
        assert compile_plan(definition).arms


def test_a_network_is_modulated_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    run_page("networks.md", tmp_path, monkeypatch)
    assert capsys.readouterr().out == "(2, 8, 32)\n"


def test_own_images_become_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    (tmp_path / "shoes").mkdir()
    with (tmp_path / "shoes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", "kind", "colour", "heel"])
        for number in range(60):
            name = f"{number}.png"
            Image.fromarray(generator.integers(0, 255, (50, 60, 3), dtype=np.uint8)).save(tmp_path / "shoes" / name)
            split = ("train", "validation", "test")[number % 3]
            colour = ["black", "white", ""][number // 3 % 3]
            writer.writerow([name, split, ["boot", "sandal"][number % 2], colour, number % 4])
    run_page("own-data.md", tmp_path, monkeypatch)
    (block,) = (block for block in blocks("yaml", [REPOSITORY / "docs" / "own-data.md"]) if "name:" in block.text)
    (tmp_path / "shoes.yaml").write_text(block.text, encoding="utf-8")
    plan = compile_plan(load_study(tmp_path / "shoes.yaml"))
    assert plan.definition.data.tasks == ("kind", "colour", "heel")


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for found in _LINK.finditer(page.read_text(encoding="utf-8")):
        if found["place"].startswith("http"):
            continue
        target = (page.parent / found["place"]).resolve() if found["place"] else page
        assert target.exists(), f"{page.name}: {found['place']}"
        if found["anchor"]:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert found["anchor"] in slugs, f"{page.name}: {target.name}#{found['anchor']}, known: {sorted(slugs)}"
