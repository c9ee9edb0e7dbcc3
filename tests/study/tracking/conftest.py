"""A run folder of one arm whose trials are written by hand, and MLflow stores whose tables are made but once."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from results.tables.schema import TABLES
from study.definition.tracking_address import StoreAddress, store_address
from study.journal.journal import JournalWriter
from study.layout import RunFolder, sqlite_uri
from study.tracking.opening import open_client
from study.tracking.tracker import Tracker
from tests.study.tracking.postgres import Postgres

ARM = {
    "name": "late",
    "arm_id": "a" * 12,
    "placement_name": "late",
    "points": ["res4", "res5", "fc"],
    "form": "scale",
    "activation": "relu",
    "initialization": "ones",
    "grouping": "per_task",
    "grouping_level": "modulation",
}
STORAGE = [
    {
        "study": "tiny",
        "arm_id": ARM["arm_id"],
        "arm": "late",
        "component": "res4",
        "kind": "modulation",
        "parameters": 8,
    },
    {
        "study": "tiny",
        "arm_id": ARM["arm_id"],
        "arm": "late",
        "component": "total",
        "kind": "total",
        "parameters": 100,
        "added_parameters": 8,
        "bytes_fp32": 400,
    },
]
CONFIG = {
    "data": {"source": {"kind": "generated"}, "tasks": ["a", "b"], "image_size": 48, "fit": "crop"},
    "optimization": {"learning_rate": 0.001, "weight_decay": 0.0, "epochs": 2},
    "loss": {"margin": 0.2},
    "batches": {"images": 12},
    "data_seed": 0,
    "train_seed": 1,
}
PLAN = {
    "study": "tiny",
    "definition": {
        "description": "two tasks",
        "data": CONFIG["data"],
        "seeds": {"data_seed": 0},
        "search": {"halving": None},
        "space": {"nuisance": {"learning_rate": [0.01, 0.1]}},
        "selection": {"metric": "triplet_accuracy", "average": "query"},
    },
    "data_fingerprint": "f" * 16,
    "arms": [{**ARM, "storage": STORAGE}],
}


def start_trial(folder: RunFolder, trial_id: str) -> None:
    with JournalWriter(folder.trial(trial_id).journal) as journal:
        journal.append(
            "planned",
            study="tiny",
            trial_id=trial_id,
            stage="confirm",
            round=0,
            index=0,
            arm=ARM,
            nuisance={"learning_rate": 0.001},
            sampler_seed=0,
            data_fingerprint="f" * 16,
            config=CONFIG,
        )
        journal.append("started", attempt=1, host="h", pid=1, versions={})
        journal.append("epoch", epoch=1, seconds=1.0, metrics={"train/loss": 0.5})


def add_epoch(folder: RunFolder, trial_id: str, epoch: int) -> None:
    with JournalWriter(folder.trial(trial_id).journal) as journal:
        journal.append("epoch", epoch=epoch, seconds=1.0, metrics={"train/loss": 0.4})


def finish_trial(folder: RunFolder, trial_id: str, tasks: dict[str, float | None] | None = None) -> None:
    row = {"split": "test", "metric": "triplet_accuracy", "average": "query", "chance": 0.5, "queries": 20}
    with JournalWriter(folder.trial(trial_id).journal) as journal:
        journal.append("epoch", epoch=1, seconds=1.0, metrics={"train/loss": 0.5})  # run again after a resume
        journal.append("epoch", epoch=2, seconds=1.0, metrics={"train/loss": 0.25})
        journal.append(
            "finished",
            epochs_run=2,
            objective=0.75,
            task_metrics=[
                {**row, "task": task, "value": value} for task, value in (tasks or {"a": 0.7, "b": 0.8}).items()
            ],
            peak_memory_bytes=1000,
        )


def make_folder(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.path.mkdir(parents=True)
    folder.plan.write_text(json.dumps(PLAN))
    return folder


def runs_of(store: Path, study: str = "tiny") -> dict[str, Run]:
    client = MlflowClient(sqlite_uri(store))
    experiment = client.get_experiment_by_name(study).experiment_id
    return {run.data.tags["modstudy.key"]: run for run in client.search_runs([experiment])}


def make_summary(arms: list[str], value: float = 0.75) -> pd.DataFrame:
    """Return a summary in which every number of every arm is ``value``."""
    text = {column.name: (*column.allowed, "1,2")[0] for column in TABLES["summary"].columns if column.type == "string"}
    numbers = {column.name: value if column.type == "float64" else 2 for column in TABLES["summary"].columns}
    ids = {arm: "a" * 12 if arm == "late" else f"{number:012x}" for number, arm in enumerate(arms)}
    return pd.DataFrame([{**numbers, **text, "study": "tiny", "arm": arm, "arm_id": ids[arm]} for arm in arms])


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A SQLite store with tables and nothing in them; making them takes seconds, copying the file does not."""
    file = tmp_path_factory.mktemp("store") / "empty.db"
    open_client(StoreAddress(sqlite_uri(file), "a test", None))
    return file


@pytest.fixture
def folder(tmp_path, empty_store) -> RunFolder:
    """A run folder with an embedded store that is empty."""
    made = make_folder(tmp_path / "tiny")
    shutil.copy(empty_store, made.mlflow_store)
    return made


@pytest.fixture
def play(empty_store) -> SimpleNamespace:
    """What a driver and its workers would write, and what MLflow shows of it."""
    return SimpleNamespace(
        arm=ARM,
        folder=make_folder,
        make_store=lambda folder: shutil.copy(empty_store, folder.mlflow_store),
        start=start_trial,
        epoch=add_epoch,
        identity=lambda folder: json.loads(folder.mlflow_identity.read_text())["key"],
        finish=finish_trial,
        runs=runs_of,
        summary=make_summary,
        tracker=lambda folder, uri=None: Tracker(store_address(folder, uri), "tiny"),
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="postgres-") as home:
        server = Postgres(Path(home))
        server.start()
        yield server
        server.stop()


@pytest.fixture(autouse=True)
def no_store_of_the_user(monkeypatch) -> None:
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
