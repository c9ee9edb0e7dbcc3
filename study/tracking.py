"""The only file that knows MLflow: keeps a tree of runs (study, arms, trials) in step with a run folder.

MLflow is a mirror. Everything is derived from the plan, the journals and the tables, so a dead server loses nothing:
``sync`` brings the store up to date later, and doing it twice changes nothing. Runs are found by their tags and
addressed by explicit ids; the fluent active run is never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

from filelock import FileLock
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from results.markdown import escape
from study.collect import read_summary
from study.journal import TrialHistory, derive_history, read_journal
from study.layout import RunFolder, write_atomically
from study.mirror import RunContent, factor_params, ledger_points, summary_points, trial_content
from study.plan_file import read_document
from trainables.sources import parse_source

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store that is down, full or broken raises; ``requests`` errors are ``OSError``."""

_ARTIFACTS = ("tables", "report")
_METRICS_PER_REQUEST = 900  # the server takes at most 1,000 entities in one request


@dataclass
class SyncReport:
    """What one call of ``sync`` changed."""

    runs_created: int = 0
    trials_updated: int = 0
    points_logged: int = 0


@dataclass
class _Known:
    """What is already in the store: run ids by key, journal events mirrored by trial, journal sizes last seen."""

    experiment: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    mirrored: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    histories: dict[str, TrialHistory] = field(default_factory=dict)


class Tracker:
    """Mirrors one run folder into one MLflow store.

    Args:
        uri: tracking URI (``sqlite:///...`` or ``http://...``).
        experiment: experiment name; created when missing.
        artifact_location: where artifacts of a new experiment go; None leaves it to the server.
    """

    def __init__(self, uri: str, experiment: str, artifact_location: Path | None) -> None:
        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        for noisy in ("alembic", "mlflow"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        self._uri = uri
        self._experiment = experiment
        self._artifact_location = artifact_location
        self._known: _Known | None = None

    def sync(self, folder: RunFolder) -> SyncReport:
        """Bring the store up to date with the journals and tables of ``folder``.

        Raises:
            one of ``STORE_ERRORS`` when the store cannot be reached or written; nothing is lost and the next call
            goes on where this one stopped.
            UserError: the folder holds no plan or a damaged one, or tables of a newer version.
        """
        plan = read_document(folder)
        with FileLock(folder.path / "sync.lock"):
            client = MlflowClient(self._uri)
            known = self._known = self._known or self._recall(client, plan["study"])
            report = SyncReport()
            study_run = self._study_run(client, known, plan, report)
            for arm in plan["arms"]:
                self._sync_arm(client, known, arm, study_run, report)
            storage = {arm["arm_id"]: arm["storage"] for arm in plan["arms"]}
            for path in sorted(folder.trials.glob("*/journal.jsonl")):
                self._sync_trial(client, known, path, storage, report)
            self._sync_results(client, known, folder, report)
            _write_run_ids(folder, known)
        return report

    def _recall(self, client: MlflowClient, study: str) -> _Known:
        """Find the experiment (made when missing) and every run of the study in it by its tags."""
        found = client.get_experiment_by_name(self._experiment)
        if found is None:
            location = None if self._artifact_location is None else self._artifact_location.as_uri()
            experiment = client.create_experiment(self._experiment, artifact_location=location)
        else:
            experiment = found.experiment_id
        known = _Known(experiment)
        token: str | None = None
        while True:
            page = client.search_runs([experiment], f"tags.`modstudy.study` = '{study}'", page_token=token)
            for run in page:
                key = run.data.tags["modstudy.key"]
                known.runs[key] = run.info.run_id
                known.mirrored[key] = int(run.data.tags.get("modstudy.mirrored", 0))
                known.digests[key] = run.data.tags.get("modstudy.digest", "")
                if key == "study":
                    known.digests |= {name: run.data.tags.get(f"modstudy.digest.{name}", "") for name in _ARTIFACTS}
            token = page.token
            if not token:
                return known

    def _run(self, client: MlflowClient, known: _Known, key: str, tags: dict[str, str], report: SyncReport) -> str:
        """Return the run with this key, made when it is missing."""
        if key in known.runs:
            return known.runs[key]
        run = client.create_run(known.experiment, tags={**tags, "modstudy.key": key})
        known.runs[key] = run.info.run_id
        known.mirrored[key] = 0
        report.runs_created += 1
        return str(run.info.run_id)

    def _study_run(self, client: MlflowClient, known: _Known, plan: Mapping[str, Any], report: SyncReport) -> str:
        tags = {"mlflow.runName": plan["study"], "modstudy.study": plan["study"], "modstudy.kind": "study"}
        run_id = self._run(client, known, "study", tags, report)
        description = str(plan["definition"].get("description", ""))
        content = json.dumps(plan, sort_keys=True)
        if self._is_news(known, "study", content):
            client.log_inputs(run_id, [_dataset_input(plan)])
            new_tags = {
                "mlflow.note.content": escape(description),
                "modstudy.data_fingerprint": plan["data_fingerprint"],
            }
            self._log(client, run_id, RunContent({}, (), new_tags, "RUNNING", None), report)
            client.log_dict(run_id, dict(plan), "plan.json")
            self._remember(client, known, "study", content)
        return run_id

    def _sync_arm(
        self, client: MlflowClient, known: _Known, arm: Mapping[str, Any], parent: str, report: SyncReport
    ) -> None:
        key = f"arm:{arm['arm_id']}"
        tags = {
            "mlflow.runName": arm["name"],
            "mlflow.parentRunId": parent,
            "modstudy.study": arm["storage"][0]["study"],
            "modstudy.kind": "arm",
        }
        run_id = self._run(client, known, key, tags, report)
        if not known.mirrored[key]:  # also when an earlier call broke off between making the run and filling it
            start = client.get_run(run_id).info.start_time
            points = tuple(ledger_points(arm["storage"], start, components=True))
            self._log(client, run_id, RunContent(factor_params(arm), points, {}, "RUNNING", None), report)
            client.set_tag(run_id, "modstudy.mirrored", "1")
            known.mirrored[key] = 1

    def _sync_trial(
        self,
        client: MlflowClient,
        known: _Known,
        path: Path,
        storage: Mapping[str, Sequence[Mapping[str, Any]]],
        report: SyncReport,
    ) -> None:
        size = path.stat().st_size
        if known.sizes.get(str(path)) == size:
            return
        journal = read_journal(path)
        history = derive_history(journal.events, journal.torn)
        if history is None or history.planned["arm"]["arm_id"] not in storage:
            return
        known.histories[history.trial_id] = history
        key = f"trial:{history.trial_id}"
        arm = history.planned["arm"]
        if known.mirrored.get(key, 0) < len(journal.events):
            tags = {
                "mlflow.runName": f"{arm['name']} {history.planned['stage']} {history.trial_id[:6]}",
                "mlflow.parentRunId": known.runs[f"arm:{arm['arm_id']}"],
                "modstudy.study": history.planned["study"],
                "modstudy.kind": "trial",
                "modstudy.trial_id": history.trial_id,
            }
            run_id = self._run(client, known, key, tags, report)
            if not known.mirrored[key]:
                client.log_inputs(
                    run_id, [_dataset_input({**history.planned, "definition": history.planned["config"]})]
                )
            content = trial_content(history, journal.events, known.mirrored[key], storage[arm["arm_id"]])
            self._log(client, run_id, content, report)
            client.set_tag(run_id, "modstudy.mirrored", str(len(journal.events)))
            known.mirrored[key] = len(journal.events)
            report.trials_updated += 1
        known.sizes[str(path)] = size

    def _sync_results(self, client: MlflowClient, known: _Known, folder: RunFolder, report: SyncReport) -> None:
        """Mirror the summary of every arm, and the tables and the report as artifacts of the study run."""
        if not (folder.tables / "summary.parquet").exists():
            return
        ends = [round(history.updated * 1000) for history in known.histories.values()]
        for row in read_summary(folder).to_dict("records"):
            key = f"arm:{row['arm_id']}"
            times = [h.updated for h in known.histories.values() if h.planned["arm"]["arm_id"] == row["arm_id"]]
            content = json.dumps(row, default=str, sort_keys=True)
            if key in known.runs and times and self._is_news(known, key, content):
                end = round(max(times) * 1000)
                points = tuple(summary_points({str(name): value for name, value in row.items()}, end))
                tags = {"modstudy.seeds": str(row["seeds"]), "modstudy.selection_rule": str(row["selection_rule"])}
                self._log(client, known.runs[key], RunContent({}, points, tags, "FINISHED", end), report)
                self._remember(client, known, key, content)
        for name, path in zip(_ARTIFACTS, (folder.tables, folder.report), strict=True):
            if self._sync_artifacts(client, known, name, path) and ends:
                client.set_terminated(known.runs["study"], "FINISHED", max(ends))

    @staticmethod
    def _sync_artifacts(client: MlflowClient, known: _Known, name: str, path: Path) -> bool:
        """Upload the files of ``path`` when they are not those of the last time; return whether they were not."""
        files = sorted(file for file in path.glob("*") if file.is_file())
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
        if not files or known.digests.get(name) == digest:
            return False
        client.log_artifacts(known.runs["study"], str(path), name)
        client.set_tag(known.runs["study"], f"modstudy.digest.{name}", digest)
        known.digests[name] = digest
        return True

    @staticmethod
    def _is_news(known: _Known, key: str, content: str) -> bool:
        return known.digests.get(key) != hashlib.sha256(content.encode()).hexdigest()

    @staticmethod
    def _remember(client: MlflowClient, known: _Known, key: str, content: str) -> None:
        known.digests[key] = hashlib.sha256(content.encode()).hexdigest()
        client.set_tag(known.runs[key], "modstudy.digest", known.digests[key])

    @staticmethod
    def _log(client: MlflowClient, run_id: str, content: RunContent, report: SyncReport) -> None:
        """Log params and tags, then metrics within the server's limits, then the status."""
        params = [Param(key, value) for key, value in content.params.items()]
        tags = [RunTag(key, value) for key, value in content.tags.items()]
        metrics = [Metric(point.key, point.value, point.time_ms, point.step) for point in content.points]
        room = _METRICS_PER_REQUEST - len(params) - len(tags)
        client.log_batch(run_id, metrics[:room], params, tags, synchronous=True)
        for start in range(room, len(metrics), _METRICS_PER_REQUEST):
            client.log_batch(run_id, metrics[start : start + _METRICS_PER_REQUEST], synchronous=True)
        if content.end_ms is not None:
            client.set_terminated(run_id, content.status, content.end_ms)
        else:
            client.update_run(run_id, content.status)
        report.points_logged += len(metrics)


def _dataset_input(plan: Mapping[str, Any]) -> DatasetInput:
    """The data as MLflow sees it: where it comes from, and the fingerprint of its content as digest."""
    data = plan["definition"]["data"]
    source = data["source"]
    profile = json.dumps({"tasks": data["tasks"], "image_size": data["image_size"], "fit": data["fit"]})
    dataset = Dataset(
        name=parse_source(source).title,
        digest=plan["data_fingerprint"],
        source_type=source["kind"],
        source=json.dumps(source),
        profile=profile,
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _write_run_ids(folder: RunFolder, known: _Known) -> None:
    """Write which run belongs to the study, to each arm and to each trial, for the ``trials`` table."""
    ids: dict[str, Any] = {"study": known.runs["study"], "arms": {}, "trials": {}}
    for key, run_id in sorted(known.runs.items()):
        kind, _, name = key.partition(":")
        if name:
            ids[f"{kind}s"][name] = run_id
    write_atomically(folder.mlflow_runs, json.dumps(ids, indent=1) + "\n")
