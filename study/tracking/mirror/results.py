"""Mirrors the summary of every arm, and tables and report as artifacts of the study's run, when they have changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from study.collect.collect import read_summary
from study.layout import RunFolder
from study.tracking.artifacts import small_figure
from study.tracking.content import TAG_LENGTH, RunContent, summary_points
from study.tracking.keys import bounded
from study.tracking.mirror.known import ARTIFACTS, DIGEST, NOTE
from study.tracking.mirror.writing import RunWriter
from study.tracking.pages.note import study_note
from study.tracking.pages.routes import Pages

_FIGURE, _IN_NOTE = "tradeoff.png", "note/tradeoff.png"

Stamps = tuple[tuple[str, int, int], ...]
"""Path, size and time of change of files."""


class ResultMirror:
    """Mirrors what was collected and reported.

    Args:
        writer: of the runs.
        folder: of the run.
        description: of the study.
    """

    def __init__(self, writer: RunWriter, folder: RunFolder, description: str) -> None:
        self._writer = writer
        self._known = writer.known
        self._folder = folder
        self._description = description

    def bring_up_to_date(self) -> None:
        """Mirror the results if their files have changed since all went well."""
        stamps = result_stamps(self._folder)
        if stamps == self._known.results:
            return
        self._sync()
        if not self._writer.report.notes:
            self._known.results = stamps

    def _sync(self) -> None:
        table = self._folder.tables / "summary.parquet"
        if not table.exists():
            self._sync_note(None)
            return
        summary, written = read_summary(self._folder), round(table.stat().st_mtime * 1000)
        rows = ({str(name): value for name, value in row.items()} for row in summary.to_dict("records"))
        self._writer.store.together(rows, partial(self._sync_summary, written=written))
        for name, path in zip(ARTIFACTS, (self._folder.tables, self._folder.report), strict=True):
            with self._writer.one_of_many(f"the folder {name}"):
                if self._sync_artifacts(name, path) and self._known.ends:
                    end = round(max(self._known.ends.values()) * 1000)
                    self._writer.log("study", RunContent({}, (), {}, "FINISHED", end))
        self._sync_note(summary)

    def _sync_note(self, summary: pd.DataFrame | None) -> None:
        """Write the note on the study's run when it says something else than the last time."""
        study = self._known.runs["study"]
        pages = Pages(self._known.experiment, study, self._known.identity.key)
        figure = self._folder.report / _FIGURE
        shown = _IN_NOTE if figure.is_file() else None
        note = study_note(self._description, pages, summary, shown)
        content = note + (hashlib.sha256(figure.read_bytes()).hexdigest() if shown else "")
        if self._writer.is_news(NOTE, content):
            with self._writer.one_of_many("the note on the study"):
                if shown:
                    self._writer.store.upload("log_image", study, small_figure(figure), shown)
                self._writer.store.call("set_tag", study, "mlflow.note.content", note)
                self._writer.remember(NOTE, content)

    def _sync_summary(self, row: Mapping[str, Any], written: int) -> None:
        """Log an arm's results with the time at which its table was written: of equal steps MLflow shows the latest."""
        key, end = f"arm:{row['arm_id']}", self._known.ends.get(row["arm_id"])
        content = json.dumps(row, default=str, sort_keys=True)
        if key not in self._known.runs or end is None or not self._writer.is_news(key, content):
            return
        with self._writer.one_of_many(f"the summary of the arm {row['arm']!r}"):
            tags = {f"modstudy.{name}": bounded(str(row[name]), TAG_LENGTH) for name in ("seeds", "selection_rule")}
            points = tuple(summary_points(row, written))
            self._writer.log(key, RunContent({}, points, tags, "FINISHED", round(end * 1000)))
            self._writer.remember(key, content, key)

    def _sync_artifacts(self, name: str, path: Path) -> bool:
        """Upload the files of ``path`` when they are not those of the last time; return whether they were not."""
        files = sorted(file for file in path.glob("*") if file.is_file())
        digest = hashlib.sha256(b"".join(_digest(file) for file in files)).hexdigest()
        if not files or self._known.digests.get(name) == digest:
            return False
        self._writer.store.upload("log_artifacts", self._known.runs["study"], str(path), name)
        self._writer.store.call("set_tag", self._known.runs["study"], f"{DIGEST}.{name}", digest)
        self._known.digests[name] = digest
        return True


def result_stamps(folder: RunFolder) -> Stamps:
    """Return what a change of tables or report changes, too."""
    files = (file for path in (folder.tables, folder.report) for file in path.glob("*") if file.is_file())
    return tuple(sorted((str(file), (found := file.stat()).st_size, found.st_mtime_ns) for file in files))


def _digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()
