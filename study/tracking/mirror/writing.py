"""Writes runs: made where they are missing, with all that one request can carry."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlflow.entities import Metric, Param, RunTag

from study.tracking.artifacts import TableArtifact
from study.tracking.content import RunContent
from study.tracking.errors import RunGoneError, StoreRefusedError
from study.tracking.keys import KEY_LENGTH, bounded
from study.tracking.mirror.known import DIGEST, KEY, MIRRORED, PARENT, STUDY, Known
from study.tracking.pages.routes import FOLDER
from study.tracking.store import Entity, Store

_MOST_IN_A_ROW = 5
"""Runs refused one after the other at which the whole pass is given up: then it is not the runs."""


@dataclass
class SyncReport:
    """What one call of ``sync`` changed in an ``experiment`` (its id); ``notes`` say what the user should know."""

    experiment: str
    runs_created: int = 0
    trials_updated: int = 0
    points_logged: int = 0
    notes: list[str] = field(default_factory=list)


class RunWriter:
    """Writes the runs of one study; what is known of the store, and the report, are brought up to date with it.

    Args:
        store: written to.
        known: what it holds.
        report: of the pass.
        study: the study's name.
    """

    def __init__(self, store: Store, known: Known, report: SyncReport, study: str) -> None:
        self.store = store
        self.known = known
        self.report = report
        self._study = study
        self._refused_in_a_row = 0

    @contextmanager
    def one_of_many(self, what: str) -> Iterator[None]:
        """Let the store refuse one run without stopping the others; it is tried again in the next pass."""
        try:
            yield
            self._refused_in_a_row = 0
        except RunGoneError:
            raise
        except StoreRefusedError as error:
            self._refused_in_a_row += 1
            if self._refused_in_a_row >= _MOST_IN_A_ROW:
                raise
            self.report.notes.append(f"{what} is not mirrored: {error}")

    def run(self, key: str, name: str, begun: float, tags: Mapping[str, str], parent: str | None = None) -> str:
        """Return the id of the run with this key, made when it is missing.

        Args:
            key: of the run.
            name: that MLflow shows.
            begun: Unix time in seconds at which a new run begins.
            tags: of a new run, besides those by which it is found.
            parent: id of the run above it.
        """
        known = self.known
        if key not in known.runs:
            own = {"mlflow.runName": bounded(name, KEY_LENGTH), STUDY: self._study, FOLDER: known.identity.key}
            own |= {KEY: key, "modstudy.kind": key.partition(":")[0], **tags}
            own |= {PARENT: parent} if parent else {}
            made = self.store.call("create_run", known.experiment, start_time=round(begun * 1000), tags=own)
            known.runs[key], known.parents[key], known.mirrored[key] = made.info.run_id, parent or "", 0
            known.artifacts[key] = made.info.artifact_uri
            known.begun[key], known.status[key] = round(begun * 1000), "RUNNING"
            self.report.runs_created += 1
        if parent is not None and known.parents[key] != parent:  # the parent was deleted and made anew
            self.store.call("set_tag", known.runs[key], PARENT, parent)
            known.parents[key] = parent
        return known.runs[key]

    def log(self, key: str, content: RunContent, mirrored: int | None = None) -> None:
        """Set the status of a run if it is another one, then log params, tags and metrics, and last what is mirrored.

        What is refused of it is noted and left out.

        Args:
            key: of the run.
            content: what it lacks.
            mirrored: what is mirrored with it, as ``Known.mirrored`` counts.
        """
        run_id, known = self.known.runs[key], self.known
        if content.end_ms is not None:
            self.store.call("set_terminated", run_id, content.status, content.end_ms)
        elif content.status not in (None, known.status[key]):
            self.store.call("update_run", run_id, content.status)
        known.status[key] = content.status or known.status[key]
        entities: list[Entity] = [Param(name, value) for name, value in content.params.items()]
        entities += [RunTag(name, value) for name, value in content.tags.items()]
        entities += [Metric(point.key, point.value, point.time_ms, point.step) for point in content.points]
        entities += [] if mirrored is None else [RunTag(MIRRORED, str(mirrored))]
        refused = self.store.log(run_id, entities)
        self.report.notes += [f"MLflow does not take the {what}" for what in refused]
        self.report.points_logged += len(content.points) - len(refused)
        known.mirrored[key] = known.mirrored[key] if mirrored is None else mirrored

    def attach(self, key: str, table: TableArtifact, what: str) -> dict[str, str]:
        """Upload a table of a run and return the tags that show it; a store that takes no files keeps the rest."""
        with self.one_of_many(what):
            self.store.attach(self.known.artifacts[key], table.file, table.document())
            return dict([table.tag()])
        return {}

    def is_news(self, key: str, content: str) -> bool:
        """Whether something else was mirrored last under this key."""
        return self.known.digests.get(key) != hashlib.sha256(content.encode()).hexdigest()

    def remember(self, name: str, content: str, key: str = "study") -> None:
        """Note, in the store too, that this content is mirrored: of the run ``key``, or one of several of that run."""
        self.known.digests[name] = hashlib.sha256(content.encode()).hexdigest()
        tag = DIGEST if name == key else f"{DIGEST}.{name}"
        self.store.call("set_tag", self.known.runs[key], tag, self.known.digests[name])
