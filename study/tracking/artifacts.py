"""What goes to MLflow as artifacts beside files of the run: tables, as its pages show them, and a small figure."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.store.artifact.artifact_repo import StreamUploadMixin
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri
from PIL import Image

from study.journal.events import Event
from study.tracking.content import LEDGER_COLUMNS

LOGGED = "mlflow.loggedArtifacts"
"""The tag by which MLflow knows which artifacts are tables."""

_NOTE_WIDTH = 640
"""Pixels; a note shows pictures as large as they are."""

_TASK_COLUMNS = ("split", "task", "metric", "average", "value", "chance", "queries")


@dataclass(frozen=True)
class TableArtifact:
    """A table and the file it is stored in, in the form of ``mlflow.log_table``."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, file: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> TableArtifact:
        """Return the named columns of rows; what a row lacks is empty."""
        return cls(file, tuple(columns), tuple(tuple(row.get(column) for column in columns) for row in rows))

    def document(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {"columns": list(self.columns), "data": [list(row) for row in self.rows]}

    def tag(self) -> tuple[str, str]:
        """Return the tag, name and value, that makes MLflow show the file as a table."""
        return LOGGED, json.dumps([{"path": self.file, "type": "table"}])


def storage_table(storage: Iterable[Mapping[str, Any]]) -> TableArtifact:
    """Return the ledger of an arm: a row for every stage and modulation point, and the total."""
    return TableArtifact.of("storage.json", ("component", "kind", *LEDGER_COLUMNS), storage)


def task_table(events: Iterable[Event]) -> TableArtifact | None:
    """Return the results of a trial by task, with chance levels; None while it has not finished."""
    finished = [event for event in events if event["event"] == "finished"]
    return TableArtifact.of("tasks.json", _TASK_COLUMNS, finished[-1]["task_metrics"]) if finished else None


def small_figure(path: Path) -> Image.Image:
    """Return a picture as wide as a note."""
    with Image.open(path) as picture:
        height = round(picture.height * _NOTE_WIDTH / picture.width)
        return picture.convert("RGB").resize((_NOTE_WIDTH, height), Image.Resampling.LANCZOS)


def put_json(place: str, store: str, file: str, document: Mapping[str, Any]) -> None:
    """Write a JSON file to where a run has its artifacts.

    Args:
        place: its address, which may be relative to the store's.
        store: address of the store.
        file: its name.
        document: its content, in the form of ``MlflowClient.log_dict``.
    """
    address = add_databricks_profile_info_to_artifact_uri(place, store)  # type: ignore[no-untyped-call]
    repository = get_artifact_repository(address, tracking_uri=store)
    content = json.dumps(document, indent=2, default=str).encode()
    if isinstance(repository, StreamUploadMixin):  # of folders; so a file is written but once
        repository.log_artifact_from_stream(io.BytesIO(content), file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        path.write_bytes(content)
        repository.log_artifact(str(path))  # type: ignore[no-untyped-call]


def is_folder(place: str) -> bool:
    """Whether the artifacts at an address are files of this machine."""
    return urlsplit(place).scheme in ("", "file")
