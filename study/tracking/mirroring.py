"""One pass over a run folder: what the store lacks is made, filled and ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric, Param, RunTag

from results.report.markdown import escape
from results.tables.metrics import HEADLINE_METRICS
from study.collect.collect import read_summary
from study.journal.history import TrialHistory, derive_history
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.packing.record import read_packing
from study.packing.wording import described
from study.tracking.content import TAG_LENGTH, RunContent, factor_params, ledger_points, summary_points, trial_content
from study.tracking.dataset import dataset_input
from study.tracking.errors import RunGoneError, StoreRefusedError
from study.tracking.keys import KEY_LENGTH, bounded
from study.tracking.known import ARTIFACTS, DIGEST, FOLDER, KEY, MIRRORED, PACKING, PARENT, STUDY, Known
from study.tracking.store import Entity, Store
from study.tracking.views import comparison_view

if TYPE_CHECKING:
    from study.tracking.tracker import SyncReport

_MOST_IN_A_ROW = 5
"""Runs refused one after the other at which the whole pass is given up: then it is not the runs."""


class Mirroring:
    """One pass; ``known`` and ``report`` are brought up to date with the store as it goes."""

    def __init__(
        self, store: Store, known: Known, folder: RunFolder, plan: Mapping[str, Any], report: SyncReport
    ) -> None:
        self._store = store
        self._known = known
        self._folder = folder
        self._plan = plan
        self._report = report
        self._refused_in_a_row = 0

    def bring_up_to_date(self) -> None:
        """Mirror the study, its arms, its trials and its tables.

        Raises:
            StoreError: the store cannot be reached, or refuses more than single points or runs.
            UserError: the tables are of a newer version.
        """
        self._sync_study()
        for arm in self._plan["arms"]:
            self._sync_arm(arm)
        self._sync_packing()
        storage = {arm["arm_id"]: arm["storage"] for arm in self._plan["arms"]}
        for path in sorted(self._folder.trials.glob("*/journal.jsonl")):
            self._sync_trial(path, storage)
        self._sync_results()

    def share_view(self) -> None:
        """Put the view in which the arms are compared where MLflow's interface looks for it."""
        selected = self._plan["definition"]["selection"].get("metric")
        metric = selected if selected in HEADLINE_METRICS else HEADLINE_METRICS[0]
        view = comparison_view(self._known.identity.key, metric)
        with self._one_of_many("the view of the arms compared"):
            self._store.call("set_experiment_tag", self._known.experiment, *view)

    @contextmanager
    def _one_of_many(self, what: str) -> Iterator[None]:
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
            self._report.notes.append(f"{what} is not mirrored: {error}")

    def _run(self, key: str, name: str, parent: str | None, tags: Mapping[str, str]) -> str:
        """Return the run with this key below its parent, made when it is missing.

        It begins when the plan was written, or, for a trial, when it was planned.
        """
        known = self._known
        if key not in known.runs:
            own = {"mlflow.runName": bounded(name, KEY_LENGTH), STUDY: self._plan["study"], FOLDER: known.identity.key}
            own |= {KEY: key, "modstudy.kind": key.partition(":")[0], **tags}
            own |= {PARENT: parent} if parent else {}
            history = known.histories.get(key.removeprefix("trial:"))
            begun = self._folder.plan.stat().st_mtime if history is None else history.planned["time"]
            made = self._store.call("create_run", known.experiment, start_time=round(begun * 1000), tags=own)
            known.runs[key], known.parents[key], known.mirrored[key] = made.info.run_id, parent or "", 0
            self._report.runs_created += 1
        if parent is not None and known.parents[key] != parent:  # the parent was deleted and made anew
            self._store.call("set_tag", known.runs[key], PARENT, parent)
            known.parents[key] = parent
        return known.runs[key]

    def _sync_study(self) -> None:
        plan = self._plan
        run_id = self._run("study", plan["study"], None, {"modstudy.path": str(self._known.identity.path)})
        content = json.dumps(plan, sort_keys=True)
        if self._is_news("study", content):
            data = dataset_input(plan["definition"]["data"], plan["data_fingerprint"])
            self._store.call("log_inputs", run_id, [data])
            description = bounded(escape(str(plan["definition"].get("description", ""))), TAG_LENGTH)
            tags = {"mlflow.note.content": description, "modstudy.data_fingerprint": plan["data_fingerprint"]}
            self._log(run_id, RunContent({}, (), tags, "RUNNING", None))
            with self._one_of_many("plan.json"):
                self._store.upload("log_dict", run_id, dict(plan), "plan.json")
            self._remember("study", content)

    def _sync_arm(self, arm: Mapping[str, Any]) -> None:
        key = f"arm:{arm['arm_id']}"
        with self._one_of_many(f"the arm {arm['name']!r}"):
            run_id = self._run(key, arm["name"], self._known.runs["study"], {})
            if not self._known.mirrored[key]:  # also when an earlier call broke off after making the run
                start = self._store.call("get_run", run_id).info.start_time
                points = tuple(ledger_points(arm["storage"], start, components=True))
                self._log(run_id, RunContent(factor_params(arm), points, {}, "RUNNING", None))
                self._store.call("set_tag", run_id, MIRRORED, "1")
                self._known.mirrored[key] = 1

    def _sync_packing(self) -> None:
        """Tag every probed arm with how its trials share a GPU; the measurements are an artifact of the study run."""
        if not self._folder.packing.is_file():
            return
        content = self._folder.packing.read_text(encoding="utf-8", errors="replace")
        record = read_packing(self._folder)  # after the content, so that what is added in between is news next time
        if not record.probed or not self._is_news(PACKING, content):
            return
        with self._one_of_many(self._folder.packing.name):
            for probed in record.probed:
                key, packing = f"arm:{probed.arm_id}", probed.packing()
                if key in self._known.runs and packing is not None:
                    tag = RunTag(f"modstudy.{PACKING}.{probed.accelerator}", described(packing))
                    self._store.log(self._known.runs[key], [tag])
            self._store.upload("log_dict", self._known.runs["study"], json.loads(content), self._folder.packing.name)
            self._known.digests[PACKING] = hashlib.sha256(content.encode()).hexdigest()
            self._store.call("set_tag", self._known.runs["study"], f"{DIGEST}.{PACKING}", self._known.digests[PACKING])

    def _sync_trial(self, path: Path, storage: Mapping[str, Any]) -> None:
        size = path.stat().st_size
        if self._known.sizes.get(str(path)) == size:
            return
        journal = read_journal(path)
        history = derive_history(journal.events, journal.torn)
        if history is None or history.planned["arm"]["arm_id"] not in storage:
            return
        arm = history.planned["arm"]
        self._known.histories[history.trial_id] = history
        if f"arm:{arm['arm_id']}" not in self._known.runs:  # refused; said already
            return
        with self._one_of_many(f"the trial {history.trial_id}"):
            key, run_id = self._trial_run(history)
            mirrored = self._known.mirrored[key]
            if mirrored < len(journal.events):
                if not mirrored:
                    data = dataset_input(history.planned["config"]["data"], history.planned["data_fingerprint"])
                    self._store.call("log_inputs", run_id, [data])
                self._log(run_id, trial_content(history, journal.events, mirrored, storage[arm["arm_id"]]))
                self._store.call("set_tag", run_id, MIRRORED, str(len(journal.events)))
                self._known.mirrored[key] = len(journal.events)
                self._report.trials_updated += 1
            self._known.sizes[str(path)] = size

    def _trial_run(self, history: TrialHistory) -> tuple[str, str]:
        key, arm = f"trial:{history.trial_id}", history.planned["arm"]
        name = f"{bounded(arm['name'], KEY_LENGTH - 30)} {history.planned['stage']} {history.trial_id[:6]}"
        tags = {"modstudy.trial_id": history.trial_id}
        return key, self._run(key, name, self._known.runs[f"arm:{arm['arm_id']}"], tags)

    def _sync_results(self) -> None:
        """Mirror the summary of every arm, and the tables and the report as artifacts of the study run."""
        if not (self._folder.tables / "summary.parquet").exists():
            return
        for row in read_summary(self._folder).to_dict("records"):
            with self._one_of_many(f"the summary of the arm {row['arm']!r}"):
                self._sync_summary({str(name): value for name, value in row.items()})
        ends = [round(history.updated * 1000) for history in self._known.histories.values()]
        for name, path in zip(ARTIFACTS, (self._folder.tables, self._folder.report), strict=True):
            with self._one_of_many(f"the folder {name}"):
                if self._sync_artifacts(name, path) and ends:
                    self._store.call("set_terminated", self._known.runs["study"], "FINISHED", max(ends))

    def _sync_summary(self, row: Mapping[str, Any]) -> None:
        key, histories = f"arm:{row['arm_id']}", self._known.histories.values()
        times = [history.updated for history in histories if history.planned["arm"]["arm_id"] == row["arm_id"]]
        content = json.dumps(row, default=str, sort_keys=True)
        if key in self._known.runs and times and self._is_news(key, content):
            end = round(max(times) * 1000)
            tags = {f"modstudy.{name}": bounded(str(row[name]), TAG_LENGTH) for name in ("seeds", "selection_rule")}
            self._log(self._known.runs[key], RunContent({}, tuple(summary_points(row, end)), tags, "FINISHED", end))
            self._remember(key, content)

    def _sync_artifacts(self, name: str, path: Path) -> bool:
        """Upload the files of ``path`` when they are not those of the last time; return whether they were not."""
        files = sorted(file for file in path.glob("*") if file.is_file())
        digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
        if not files or self._known.digests.get(name) == digest:
            return False
        self._store.upload("log_artifacts", self._known.runs["study"], str(path), name)
        self._store.call("set_tag", self._known.runs["study"], f"{DIGEST}.{name}", digest)
        self._known.digests[name] = digest
        return True

    def _is_news(self, key: str, content: str) -> bool:
        return self._known.digests.get(key) != hashlib.sha256(content.encode()).hexdigest()

    def _remember(self, key: str, content: str) -> None:
        self._known.digests[key] = hashlib.sha256(content.encode()).hexdigest()
        self._store.call("set_tag", self._known.runs[key], DIGEST, self._known.digests[key])

    def _log(self, run_id: str, content: RunContent) -> None:
        """Log params, tags and metrics, then the status; what is refused of it is noted and left out."""
        entities: list[Entity] = [Param(key, value) for key, value in content.params.items()]
        entities += [RunTag(key, value) for key, value in content.tags.items()]
        entities += [Metric(point.key, point.value, point.time_ms, point.step) for point in content.points]
        refused = self._store.log(run_id, entities)
        self._report.notes += [f"MLflow does not take the {what}" for what in refused]
        if content.end_ms is not None:
            self._store.call("set_terminated", run_id, content.status, content.end_ms)
        else:
            self._store.call("update_run", run_id, content.status)
        self._report.points_logged += len(content.points) - len(refused)
