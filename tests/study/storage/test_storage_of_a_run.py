"""The storage analysis of really trained trials, from Python and as a command."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from study import Study, UserError
from study.cli import app
from study.layout import RunFolder
from study.storage.measured import read_measured

ARMS = [
    {"placement": ["none"], "grouping": ["per_task", "network_per_task"]},
    {"placement": ["embedding", "late"]},
    {"placement": ["late"], "initialization": ["piggyback-scores"]},
]


@pytest.fixture(scope="module")
def trained(train_study: Callable[..., RunFolder]) -> RunFolder:
    return train_study("stored", space={"blocks": ARMS})


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def table(trained: RunFolder) -> pd.DataFrame:
    view = Study(trained.path).storage((1e3, 1e8), precision=("fp32", "fp16", "int8", "1bit"))
    return view.table


def test_an_fp32_network_that_was_written_and_read_has_the_accuracy_of_its_trial(
    trained: RunFolder, table: pd.DataFrame
) -> None:
    measured = read_measured(trained)
    metrics = Study(trained.path).task_metrics
    on_test = metrics[
        (metrics["split"] == "test") & (metrics["metric"] == "triplet_accuracy") & (metrics["average"] == "query")
    ]
    for (trial_id, task), rows in on_test.groupby(["trial_id", "task"]):
        assert measured.trials[trial_id].formats["fp32/fp32"].accuracy[task] == rows["value"].item()
    assert len(measured.trials) == 10
    summary = Study(trained.path).summary.set_index("arm")
    plain = table[(table["network_precision"] == "fp32") & (table["images"] == 1e3)].set_index("arm")
    for bound in ("mean", "low", "high"):
        name = f"triplet_accuracy_{bound}"
        assert plain[name].to_dict() == pytest.approx(summary[name].to_dict())


def test_every_arm_is_there_in_every_format_it_has(table: pd.DataFrame) -> None:
    at = table[table["images"] == 1e3]
    assert list(at[at["network_precision"] == "1bit"]["arm"]) == ["late+constant(0.01)+threshold"]
    assert at.groupby("network_precision")["arm"].count().to_dict() == {"fp32": 5, "fp16": 5, "int8": 5, "1bit": 1}
    assert at["triplet_accuracy_mean"].between(0, 1).all()
    halves = at.set_index(["network_precision", "arm"])["network_bytes"]
    assert (halves["fp16"] < 0.51 * halves["fp32"]).all()
    assert (halves["int8"] < halves["fp16"]).all()
    vectors = at[at["network_precision"] == "fp16"].set_index("arm")["vectors_per_image"].to_dict()
    assert (vectors["shared"], vectors["separate"], vectors["embedding"], vectors["late"]) == (1, 2, 1, 2)
    assert (at["image_seconds"] > 0).all()


def test_the_report_shows_what_was_measured_and_forecasts_the_rest(trained: RunFolder, table: pd.DataFrame) -> None:
    files = Study(trained.path).report()
    details = files.report.with_name("details.md").read_text()
    section = details.split("## Storage at every precision")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| late ")]
    at = table[(table["arm"] == "late") & (table["images"] == 1e3)].set_index("network_precision")
    assert [row[1] for row in rows] == ["fp32", "fp16", "int8"]
    for row in rows:
        assert float(row[-2]) == pytest.approx(1e3 * at.loc[row[1], "image_seconds"], rel=1e-2)
        assert row[-3] == f"{at.loc[row[1], 'query_multiply_adds'] - 1e3 * 16:,.0f}"
    seconds = [trial.seconds for trial in read_measured(trained).trials.values() if trial.seconds is not None]
    assert len(seconds) == 5
    assert all(own.in_turn for own in seconds)


def test_nothing_is_measured_twice(trained: RunFolder, table: pd.DataFrame) -> None:
    before = trained.measured_storage.stat().st_mtime_ns
    again = Study(trained.path).storage((1e3, 1e8), precision=("fp32", "fp16", "int8", "1bit")).table
    pd.testing.assert_frame_equal(again, table)
    assert trained.measured_storage.stat().st_mtime_ns == before


def test_more_tasks_are_forecast_and_said_to_be(trained: RunFolder, table: pd.DataFrame) -> None:
    view = Study(trained.path).storage((1e6,), tasks=8, precision="fp16", budget={"bytes": 1e8})
    at = view.table.set_index("arm")
    assert (at.loc["late", "vectors_per_image"], at.loc["embedding", "vectors_per_image"]) == (8, 1)
    assert at.loc["separate", "added_parameters"] == 7 * at.loc["shared", "parameters"]
    assert at.loc["late", "index_bytes"] == 1e6 * 8 * 16 * 2
    assert at.loc["late", "over_budget"].endswith("> 100,000,000 bytes")
    assert not at.loc["late", "efficient"]
    assert at["image_seconds"].isna().all()
    assert (at["query_seconds"] > 0).all()
    text = " ".join(str(view).split())
    assert "of the 2 tasks of the study, and not known for 8: bytes and multiply-adds are forecast for them" in text
    assert "2 tasks" in view._note()


def test_the_command_prints_and_draws(trained: RunFolder, table: pd.DataFrame) -> None:
    options = ("--images", "1e4,1e6", "--tasks", 4, "--precision", "fp16,int8", "--max-bytes", "1e9")
    result = modstudy("storage", trained.path, *options)
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "efficient at 1e4 images:" in text
    assert "checked at int8/int8: 10 networks and 10 indexes of 12 images were written" in text
    assert {path.name for path in trained.storage.iterdir()} == {
        "measured.json",
        "storage.csv",
        "storage.png",
        "storage.svg",
    }
    written = pd.read_csv(trained.storage / "storage.csv")
    assert len(written) == 5 * 2 * 2
    useless = written[(written["images"] == 1e4) & (written["triplet_accuracy_mean"] <= 0.5)]  # untrained networks
    named = text[text.index("no better than chance (0.500), efficient or not:") :]
    assert len(useless)
    for row in useless.to_dict("records"):
        assert f"{row['arm']} {row['network_precision']} {row['triplet_accuracy_mean']:.3f}" in named
    assert math.isclose(
        written["total_bytes"].iloc[0], written["network_bytes"].iloc[0] + written["index_bytes"].iloc[0]
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--images", "many"), "images: should be numbers separated by commas, such as 1e4,1e6, got 'many'"),
        (("--images", "0"), "images: should be a whole number from 1 to 1,000,000,000,000,000, got 0.0"),
        (("--precision", "fp8"), "precision: unknown 'fp8'; known: fp32, fp16, int8, 1bit"),
        (("--index-precision", "2bit"), "index_precision: unknown '2bit'; known: fp32, fp16, int8, 1bit"),
        (("--images", "1.5"), "images: should be a whole number from 1 to 1,000,000,000,000,000, got 1.5"),
        (("--images", "1e30"), "images: should be a whole number from 1 to 1,000,000,000,000,000, got 1e+30"),
        (("--tasks", "2000000000"), "tasks: should be a whole number from 1 to 1,000,000,000, got 2000000000"),
        (("--max-bytes", "-1"), "budget: bytes: should be a number from 1 to 1e+30, got -1.0"),
    ],
)
def test_options_that_break_a_rule_are_named(trained: RunFolder, options: tuple[str, ...], problem: str) -> None:
    result = modstudy("storage", trained.path, *options)
    assert (result.exit_code, result.stderr) == (2, f"error: {problem}\n")


def test_embeddings_that_a_format_broke_count_for_nothing_and_are_named(
    trained: RunFolder, table: pd.DataFrame
) -> None:
    before = trained.measured_storage.read_text()
    record = json.loads(before)
    first = next(iter(record["trials"].values()))
    first["formats"]["fp16/fp16"]["accuracy"] = {}
    trained.measured_storage.write_text(json.dumps(record))
    try:
        view = Study(trained.path).storage((1e3,), precision="fp16")
    finally:
        trained.measured_storage.write_text(before)
    broken = "fp16/fp16: 1 trials of shared give embeddings that are not finite, and count for nothing"
    assert broken in view.lines()
    assert [arm.accuracy.n for arm in view.arms if arm.accuracy][:2] == [1, 2]


def test_missing_weights_and_other_images_are_named(trained: RunFolder, table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="budget: unknown 'byte'; known: bytes, multiply_adds"):
        Study(trained.path).storage(budget={"byte": 1})
    confirmed = set(json.loads(trained.measured_storage.read_text())["trials"])
    kept = next(path for path in trained.trials.glob("*/weights.safetensors") if path.parent.name in confirmed)
    kept.rename(tmp_path / "aside")
    try:
        lines = Study(trained.path).storage((1e3,), precision="fp16").lines()
        assert "1 of 10 confirm trials have no kept weights here: not measured in other formats" in lines
    finally:
        (tmp_path / "aside").rename(kept)
