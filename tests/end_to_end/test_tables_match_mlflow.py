"""A real run, then every row of its tables against what MLflow's own API returns."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import LEDGER, SCHEMAS
from results.tables.store import read_table
from study.commands.results import sync_run
from study.commands.run import RunCommand, run
from study.layout import RunFolder, sqlite_uri
from study.tracking.content import is_result, is_shown
from study.tracking.keys import metric_key

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow, pytest.mark.timeout(600)]

STUDY = """
name: mirrored
data:
  source: {kind: generated, train_images: 96, validation_images: 32, test_images: 32}
  tasks: [Smiling, Hat]
  image_size: 48
network: {width: 0.0625}
batches: {batch_size: 16}
optimization: {optimizer: sgd, epochs: 2}
evaluation: {triplets_per_task: 100}
agreement: {every_epochs: 2, images: 16}
space:
  blocks:
    - {placement: [none], grouping: [per_task, network_per_task]}
    - {placement: [late]}
  nuisance:
    learning_rate: [1.0e-3, 1.0e+30]          # the second one diverges
search: {trials_per_arm: 4, round_size: 4, halving: {rungs: [1], keep: 0.5}}
confirm: {seeds: [1, 2]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, start_ray) -> RunFolder:
    start_ray()
    place = tmp_path_factory.mktemp("mirrored")
    file = place / "study.yaml"
    file.write_text(STUDY)
    assert run(RunCommand(file, place / "runs")) == 0
    return RunFolder(place / "runs" / "mirrored")


@pytest.fixture(scope="module")
def client(folder: RunFolder) -> MlflowClient:
    return MlflowClient(sqlite_uri(folder.mlflow_store))


@pytest.fixture(scope="module")
def runs(folder: RunFolder, client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("mirrored").experiment_id
    return {found.data.tags["modstudy.key"]: found for found in client.search_runs([experiment], max_results=1000)}


def rows(folder: RunFolder, table: str) -> pd.DataFrame:
    frame = read_table(folder.tables, table)
    assert len(frame), f"{table} is empty, so nothing would be compared"
    return frame


def table_of(client: MlflowClient, run: Run, file: str) -> list[dict[str, object]]:
    """Return the rows of a table that is an artifact of a run."""
    table = json.loads(Path(client.download_artifacts(run.info.run_id, file)).read_text())
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def test_trials(folder, client, runs):
    states = {"completed": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
    frame = rows(folder, "trials")
    assert {"completed", "failed"} <= set(frame["state"])
    for row in frame.to_dict("records"):
        found = runs[f"trial:{row['trial_id']}"]
        assert found.info.run_id == row["mlflow_run_id"]
        assert found.info.status == states[row["state"]]
        for name in ("arm", "placement", "points", "form", "activation", "initialization", "grouping", "stage"):
            assert found.data.params[name] == row[name]
        for name in ("learning_rate", "margin", "weight_decay"):
            assert float(found.data.params[name]) == row[name]
        for name in ("images_per_batch", "data_seed", "train_seed", "sampler_seed", "round", "trial_index"):
            assert int(found.data.params[name]) == row[name]
        assert int(found.data.params["epochs"]) == row["epochs_planned"]
        assert found.data.params["data_fingerprint"] == row["data_fingerprint"]
        assert int(found.data.tags["modstudy.attempts"]) == row["attempts"]
        assert json.loads(found.data.tags["modstudy.software"]) == json.loads(row["software"])
        for name in ("parameters", "added_parameters"):
            assert found.data.metrics[f"storage/{name}"] == row[name]
        if not math.isnan(row["objective"]):
            assert found.data.metrics["objective"] == row["objective"]
        if row["state"] == "completed":
            assert found.data.metrics["epochs_run"] == row["epochs_run"]
            assert found.data.metrics["peak_memory_bytes"] == row["peak_memory_bytes"]
            spent = client.get_metric_history(found.info.run_id, "seconds")
            assert sum(point.value for point in spent) == pytest.approx(row["seconds"])


def test_task_metrics(folder, client, runs):
    for trial_id, group in rows(folder, "task_metrics").groupby("trial_id"):
        run = runs[f"trial:{trial_id}"]
        shown = pd.DataFrame(table_of(client, run, "tasks.json"))
        key = ["split", "task", "metric", "average"]
        expected = group[[*key, "value", "chance", "queries"]].sort_values(key, ignore_index=True)
        pd.testing.assert_frame_equal(shown.sort_values(key, ignore_index=True), expected, check_dtype=False)
        over_tasks = group[group["average"] == "query"].groupby(["split", "metric"])["value"].mean()
        for metric in HEADLINE_METRICS:
            for split in group["split"].unique():
                value = run.data.metrics[f"final/{split}_{metric}"]
                assert value == pytest.approx(over_tasks[split, metric], rel=1e-12)


def test_curves(folder, client, runs):
    frame = rows(folder, "curves").dropna(subset="value")
    assert frame["metric"].str.startswith("update_agreement/").any()
    shown = frame[frame["metric"].map(is_shown)]
    assert {"train/loss", "validation/triplet_accuracy"} <= set(shown["metric"])
    for (trial_id, metric), points in shown.groupby(["trial_id", "metric"]):
        history = client.get_metric_history(runs[f"trial:{trial_id}"].info.run_id, metric_key(metric))
        expected = list(zip(points["epoch"], points["value"], strict=True))
        assert sorted((point.step, point.value) for point in history) == sorted(expected)


def test_storage(folder, client, runs):
    for arm_id, group in rows(folder, "storage").groupby("arm_id"):
        run = runs[f"arm:{arm_id}"]
        shown = {(row["kind"], row["component"]): row for row in table_of(client, run, "storage.json")}
        assert len(shown) == len(group)
        for row in group.to_dict("records"):
            for column in (column.name for column in LEDGER):
                assert shown[row["kind"], row["component"]][column] == row[column]
                if row["kind"] == "total":
                    assert run.data.metrics[f"storage/{column}"] == row[column]


def test_failures(folder, runs):
    for (trial_id, attempt), group in rows(folder, "failures").groupby(["trial_id", "attempt"]):
        for row in group.to_dict("records"):
            assert (
                runs[f"trial:{trial_id}"].data.tags[f"modstudy.failure.{attempt}"] == f"{row['kind']}: {row['message']}"
            )


def test_summary(folder, runs):
    for row in rows(folder, "summary").to_dict("records"):
        found = runs[f"arm:{row['arm_id']}"]
        assert found.data.tags["modstudy.seeds"] == row["seeds"]
        assert found.data.tags["modstudy.selection_rule"] == row["selection_rule"]
        numbers = {
            field.name: row[field.name]
            for field in SCHEMAS["summary"]
            if isinstance(row[field.name], int | float) and not math.isnan(row[field.name]) and is_result(field.name)
        }
        assert len(numbers) > 20
        for name, value in numbers.items():
            assert found.data.metrics[f"summary/{name}"] == value


def test_tables_and_report_are_artifacts_and_syncing_again_changes_nothing(folder, client, runs, capsys):
    study = runs["study"].info.run_id
    assert {item.path for item in client.list_artifacts(study, "tables")} == {
        f"tables/{name}.parquet" for name in SCHEMAS
    }
    for name in SCHEMAS:  # curves of single tasks and second intervals are in these alone
        copy = Path(client.download_artifacts(study, f"tables/{name}.parquet"))
        assert copy.read_bytes() == (folder.tables / f"{name}.parquet").read_bytes()
    assert "report/report.md" in {item.path for item in client.list_artifacts(study, "report")}
    before = {key: client.get_run(found.info.run_id).to_dictionary() for key, found in runs.items()}
    sync_run(Path(folder.path), folder.path.parent)
    assert "0 runs created, 0 trials updated, 0 values logged" in capsys.readouterr().out
    assert {key: client.get_run(found.info.run_id).to_dictionary() for key, found in runs.items()} == before
