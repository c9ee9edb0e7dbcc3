from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from results.tables.store import read_table
from study.cli import app, note_untested_system
from study.definition.loading import load_study
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan, compile_plan


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def shell(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "study", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
    )


def test_help_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = shell("--help", folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3  # of work, however busy others are
    for command in ("plan", "run", "status", "collect", "sync", "report", "storage", "data", "new", "affinity"):
        assert command in result.stdout
    code = "import sys, study.cli; print(sorted({'torch', 'ray', 'mlflow', 'pandas', 'optuna'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"  # noqa: S603


@pytest.mark.parametrize(
    "command", ["plan", "run", "status", "collect", "sync", "report", "storage", "data", "new", "affinity"]
)
def test_every_command_has_help_and_an_example(command: str) -> None:
    result = modstudy(command, "--help")
    assert result.exit_code == 0
    assert f"Example: modstudy {command}" in " ".join(result.output.split())


def test_the_plan_as_a_table(study_file: Path, tmp_path: Path) -> None:
    result = modstudy("plan", study_file, "--runs-dir", tmp_path)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "trials: 3 arms x (3 tune + 2 confirm) = 15, 0 of them done; up to 2 epochs each" in text
    assert "tasks: 2: Smiling, Glasses" in text
    assert f"modstudy plan {study_file} --probe" in text
    for arm in ("shared", "separate", "late"):
        assert arm in text
    assert not (tmp_path / "tiny").exists()


def test_the_plan_as_json(study_file: Path, tmp_path: Path, plan: StudyPlan) -> None:
    result = modstudy("plan", study_file, "--json", "--runs-dir", tmp_path)
    document = json.loads(result.output)
    assert (document["study"], document["trials"], document["wall_seconds"]) == ("tiny", 15, None)
    assert [arm["name"] for arm in document["arms"]] == [arm.arm.name for arm in plan.arms]
    assert document["arms"][2]["storage"][-1]["added_parameters"] == plan.arms[2].storage.added_parameters


def test_the_plan_names_what_is_over_the_budget(study_file: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(study_file.read_text())
    document["space"]["budget"] = {"added_parameters": 200}
    study_file.write_text(yaml.safe_dump(document))
    result = modstudy("plan", study_file, "--runs-dir", tmp_path)
    assert "trials: 2 arms x" in result.output
    assert "not trained, over space.budget: separate (added_parameters 5,540 > 200)" in result.output
    document = json.loads(modstudy("plan", study_file, "--json", "--runs-dir", tmp_path).output)
    (left,) = document["over_budget"]
    assert (left["name"], left["exceeded"]) == ("separate", ["added_parameters 5,540 > 200"])
    assert left["excess"] == pytest.approx((5540 - 200) / 200)
    write_plan(compile_plan(load_study(study_file)), RunFolder(tmp_path / "tiny"))
    status = modstudy("status", study_file, "--runs-dir", tmp_path).output
    assert "not trained, over space.budget: separate (added_parameters 5,540 > 200)" in status


def test_the_plan_of_an_exploration_shows_some_of_the_arms_that_may_be_proposed(
    study_file: Path, tmp_path: Path
) -> None:
    document = yaml.safe_load(study_file.read_text())
    document["space"]["blocks"] = [{"placement": ["subsets"]}]
    document["search"] = {"mode": "explore", "trials": 6}
    study_file.write_text(yaml.safe_dump(document))
    text = " ".join(modstudy("plan", study_file, "--runs-dir", tmp_path).output.split())
    arms = json.loads(modstudy("plan", study_file, "--json", "--runs-dir", tmp_path).output)["arms"]
    assert len(arms) == 64
    assert "40 more arms are not shown (--json, or .arms in Python, lists all); an arm adds 0 to" in text
    assert f" {arms[23]['name']} " in text
    assert f" {arms[24]['name']} " not in text


def test_the_plan_of_a_run_uses_its_times(played: RunFolder) -> None:
    document = json.loads(modstudy("plan", played.path, "--json").output)
    assert (document["trials_done"], document["source"]) == (15, "finished trials")
    assert document["wall_seconds"] > 0


@pytest.mark.parametrize(
    "command", ["plan", "run", "status", "collect", "sync", "report", "storage", "data", "affinity"]
)
def test_a_broken_study_file_ends_every_command_with_one_line(command: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("name: x\ndata: {source: {kind: generated}, tasks: [Hat]}\nlos: {}\n")
    result = modstudy(command, path, "--runs-dir", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == f"error: {path}: los: unknown key; did you mean 'loss'?\n"


@pytest.mark.parametrize("command", ["plan", "run", "data", "affinity"])
def test_an_unknown_task_is_refused_with_file_and_key(command: str, study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(study_file.read_text().replace("Smiling", "Smilin"))
    result = modstudy(command, study_file, "--runs-dir", tmp_path)
    assert result.exit_code == 2
    expected = "data.tasks: generated faces have no task 'Smilin'; did you mean 'Smiling'?"
    assert result.stderr == f"error: {study_file}: {expected}\n"


@pytest.mark.parametrize("command", ["status", "collect", "sync", "report", "storage"])
def test_a_study_that_was_not_run(command: str, study_file: Path, tmp_path: Path) -> None:
    result = modstudy(command, study_file, "--runs-dir", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"not been run yet; start it with: modstudy run {study_file} --runs-dir {tmp_path}\n")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    result = modstudy("status", tmp_path)
    assert result.exit_code == 2
    assert "not the folder of a run (it holds no study.yaml)" in result.stderr


def test_file_and_run_folder_mean_the_same(played: RunFolder, study_file: Path) -> None:
    by_folder = modstudy("status", played.path, "--json")
    by_file = modstudy("status", study_file, "--json", "--runs-dir", played.path.parent)
    assert json.loads(by_folder.output)["arms"] == json.loads(by_file.output)["arms"]


def test_status_in_words(played: RunFolder) -> None:
    result = modstudy("status", played.path)
    assert result.exit_code == 0
    assert "15 of 15 trials done, 15 of them in the last hour" in result.output
    assert "go on with" not in result.output


def test_collect_says_what_it_wrote_and_reads_no_curves_for_it(
    played: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.collect.collect.read_table", None)
    result = modstudy("collect", played.path)
    assert result.exit_code == 0, result.output
    assert len(read_table(played.tables, "curves")) == 60
    assert "curves 60" in " ".join(result.output.split())
    assert len(read_table(played.tables, "trials")) == 15
    assert str(played.tables) in result.output


def test_report_prints_the_trade_off(played: RunFolder) -> None:
    result = modstudy("report", played.path)
    assert result.exit_code == 0, result.output
    assert "triplet accuracy" in " ".join(result.output.split())
    assert (played.report / "report.md").is_file()
    assert (played.report / "tradeoff.png").is_file()


def test_sync_twice_is_sync_once(played: RunFolder) -> None:
    first = modstudy("sync", played.path)
    assert first.exit_code == 0, first.output
    assert "19 runs created, 15 trials updated" in first.output  # the study, 3 arms, 15 trials
    assert f"modstudy ui {played.path}" in first.output
    assert "0 runs created, 0 trials updated, 0 values logged" in modstudy("sync", played.path).output


def test_data_is_described(study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    result = modstudy("data", study_file)
    assert result.exit_code == 0, result.output
    assert "images: train 24, validation 12, test 12; corrupt: 0" in result.output


def test_data_show_is_the_command_that_may_be_left_out(study_file: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    shown = modstudy("data", "show", study_file).output
    assert "corrupt: 0" in shown
    assert modstudy("data", "--runs-dir", tmp_path, study_file).output == shown


def test_data_check_says_what_must_be_fixed(study_file: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    good = modstudy("data", "check", study_file)
    assert good.exit_code == 0, good.output
    assert "duplicates: 0 of 24 validation and test images (0.00%) also appear in another split" in good.output
    assert "0 problems" in good.output
    study_file.write_text(study_file.read_text().replace("test_images: 12", "test_images: 1"))
    bad = modstudy("data", "check", study_file)
    assert bad.exit_code == 1
    assert "must be fixed: task 'Smiling' on split 'test': triplets need two classes" in bad.output


def test_data_check_finds_the_kind_of_a_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "own"
    folder.mkdir()
    rows = ["file,kind,A_task_with_a_long_name"]
    for number in range(24):
        colour = (number % 23, 100, 7)  # the last image is the first one again
        Image.new("RGB", (9, 9), colour).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},{number % 3 or ''}")
    (folder / "4.png").write_bytes(b"no image")
    (folder / "own.csv").write_text("\n".join(rows))
    result = modstudy("data", "check", folder)
    assert result.exit_code == 1
    text = result.output
    assert "table: " in text
    assert "corrupt: own.csv, line 6: 4.png: " in text
    assert "must be fixed: 1 images cannot be decoded, a share of 0.04167 where data.max_corrupt_share" in text
    assert "(+" in text  # images without a label
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = modstudy("data", "check", empty)
    assert nothing.exit_code == 2
    assert "holds data of no known kind; kinds: generated, parquet" in nothing.stderr


@pytest.mark.long
@pytest.mark.xdist_group("ray")
def test_a_study_from_file_to_report_and_again(study_file: Path, tmp_path: Path) -> None:
    text = study_file.read_text().replace("trials_per_arm: 3", "trials_per_arm: 1").replace("[per_task, ", "[")
    study_file.write_text(text)
    first = shell("run", "tiny.yaml", folder=tmp_path, MODSTUDY_CACHE=str(tmp_path / "cache"))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "study tiny: 2 arms, 6 trials: 0 done already, 0 to be continued" in first.stdout
    folder = RunFolder(tmp_path / "runs" / "tiny")
    assert f"report: {folder.report / 'report.md'}" in first.stdout
    page = (folder.report / "report.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/jpeg;base64,') > 8  # generated images may be shown
    assert "modstudy run tiny.yaml" in page
    assert '"modulation":{"tasks":["Smiling","Glasses"]' in page
    trials = read_table(folder.tables, "trials")
    assert set(trials["state"]) == {"completed"}
    assert trials["mlflow_run_id"].notna().all()
    second = shell("run", "runs/tiny", folder=tmp_path, MODSTUDY_CACHE=str(tmp_path / "cache"))
    assert second.returncode == 0, second.stdout + second.stderr
    assert "6 trials: 6 done already" in second.stdout
    again = read_table(folder.tables, "trials")
    assert again.equals(trials)


def test_a_place_that_cannot_be_written_and_a_damaged_plan_are_named(study_file: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")
    result = modstudy("run", study_file, "--runs-dir", blocked / "runs")
    assert result.exit_code == 2
    assert "a file" in result.stderr
    assert "Not a directory" in result.stderr
    folder = tmp_path / "runs" / load_study(study_file).name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"study": ')
    result = modstudy("status", study_file, "--runs-dir", tmp_path / "runs")
    assert result.exit_code == 2
    assert "plan.json: damaged" in result.stderr


@pytest.mark.parametrize(("system", "said"), [("linux", ""), ("darwin", "tested on Linux only, and this is darwin\n")])
def test_an_untested_system_is_named_at_the_start(
    system: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.platform", system)
    note_untested_system()
    assert capsys.readouterr().err.removeprefix("note: modulation-study is ") == said
