"""One pass over a run folder: what the store lacks is made, filled and ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import RunTag

from results.tables.metrics import HEADLINE_METRICS
from search_spaces.nuisance import WRITTEN
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.packing.record import read_packing
from study.packing.wording import described
from study.tracking.artifacts import storage_table
from study.tracking.content import RunContent, factor_params, ledger_points
from study.tracking.dataset import dataset_input
from study.tracking.mirror.known import OBJECTIVE, PACKING, Known
from study.tracking.mirror.results import ResultMirror
from study.tracking.mirror.trials import TrialMirror
from study.tracking.mirror.writing import RunWriter, SyncReport
from study.tracking.pages.labels import label_arms
from study.tracking.pages.views import Shown, shared_views
from study.tracking.store import Store

_ARM_VERSION = 2
"""Of what an arm's run has of its plan; version 2 added the label and the table of storage."""


class Mirroring:
    """One pass; ``known`` and ``report`` are brought up to date with the store as it goes."""

    def __init__(
        self, store: Store, known: Known, folder: RunFolder, plan: Mapping[str, Any], report: SyncReport
    ) -> None:
        self._writer = RunWriter(store, known, report, plan["study"])
        self._store = store
        self._known = known
        self._folder = folder
        self._plan = plan
        known.labels = label_arms((arm["name"] for arm in plan["arms"]), known.labels)
        self._labels = {arm["arm_id"]: known.labels[arm["name"]] for arm in plan["arms"]}
        storage = {arm["arm_id"]: arm["storage"] for arm in plan["arms"]}
        selection = plan["definition"]["selection"]
        self._objective = f"validation/mean/{selection['metric']}/{selection['average']}"
        self._trials = TrialMirror(self._writer, folder, storage, self._labels, self._objective)

    def compare(self) -> None:
        """Find the trials of which the store lacks nothing, so that they are not looked at again."""
        self._trials.compare()

    def bring_up_to_date(self) -> None:
        """Mirror the study, its arms, its trials and its tables.

        Raises:
            StoreError: the store cannot be reached, or refuses more than single points or runs.
            UserError: the tables are of a newer version.
        """
        self._sync_study()
        arms = (arm for arm in self._arms() if not self._is_mirrored(arm))
        self._store.together(arms, self._sync_arm, self._known.artifacts["study"])
        self._sync_packing()
        self._trials.bring_up_to_date()
        ResultMirror(
            self._writer, self._folder, str(self._plan["definition"].get("description", ""))
        ).bring_up_to_date()

    def _arms(self) -> list[dict[str, Any]]:
        """Return the plan's arms; in the mode ``explore`` those that were proposed so far."""
        arms: list[dict[str, Any]] = self._plan["arms"]
        if self._plan["definition"]["search"].get("mode") != "explore":
            return arms
        rounds = read_journal(self._folder.rounds).events
        proposed = {each["arm_id"] for event in rounds if event["event"] == "proposed" for each in event["trials"]}
        return [arm for arm in arms if arm["arm_id"] in proposed]

    def share_views(self) -> None:
        """Put the views of this folder where MLflow's interface looks for them."""
        selected = self._plan["definition"]["selection"].get("metric")
        metric = selected if selected in HEADLINE_METRICS else HEADLINE_METRICS[0]
        tuned = sorted(WRITTEN.get(name, name) for name in self._plan["definition"]["space"].get("nuisance", {}))
        planned_ms = round(self._planned * 1000)
        shown = Shown(self._known.identity.key, self._plan["study"], metric, self._objective, tuple(tuned), planned_ms)
        for view in shared_views(shown):
            with self._writer.one_of_many("a view of MLflow's pages"):
                self._store.call("set_experiment_tag", self._known.experiment, *view)

    @property
    def _planned(self) -> float:
        return self._folder.plan.stat().st_mtime

    def _sync_study(self) -> None:
        plan, known = self._plan, self._known
        run_id = self._writer.run("study", plan["study"], self._planned, {"modstudy.path": known.identity.place})
        if known.plan is plan:
            return
        content = json.dumps(plan, sort_keys=True)
        if self._writer.is_news("study", content):
            data = dataset_input(plan["definition"]["data"], plan["data_fingerprint"])
            self._store.call("log_inputs", run_id, [data])
            tags = {"modstudy.data_fingerprint": plan["data_fingerprint"], OBJECTIVE: self._objective}
            self._writer.log("study", RunContent({}, (), tags, "RUNNING", None))
            with self._writer.one_of_many("plan.json"):
                self._store.upload("log_dict", run_id, dict(plan), "plan.json")
            self._writer.remember("study", content)
        known.plan = plan

    def _is_mirrored(self, arm: Mapping[str, Any]) -> bool:
        key, known = f"arm:{arm['arm_id']}", self._known
        return known.parents.get(key) == known.runs["study"] and known.mirrored[key] >= _ARM_VERSION

    def _sync_arm(self, arm: Mapping[str, Any]) -> None:
        key = f"arm:{arm['arm_id']}"
        with self._writer.one_of_many(f"the arm {arm['name']!r}"):
            self._writer.run(key, arm["name"], self._planned, {}, self._known.runs["study"])
            if self._known.mirrored[key] < _ARM_VERSION:  # also when an earlier call broke off after making the run
                params = factor_params(arm, self._labels[arm["arm_id"]])
                status = None if self._known.mirrored[key] else "RUNNING"  # None: an older version set it
                points = tuple(ledger_points(arm["storage"], self._known.begun[key]))
                tags = self._writer.attach(
                    key, storage_table(arm["storage"]), f"the storage of the arm {arm['name']!r}"
                )
                self._writer.log(key, RunContent(params, points, tags, status, None), _ARM_VERSION)

    def _sync_packing(self) -> None:
        """Tag every probed arm with how its trials share a GPU; the measurements are an artifact of the study run."""
        if not self._folder.packing.is_file():
            return
        content = self._folder.packing.read_text(encoding="utf-8", errors="replace")
        record = read_packing(self._folder)  # after the content, so that what is added in between is news next time
        if not record.probed or not self._writer.is_news(PACKING, content):
            return
        with self._writer.one_of_many(self._folder.packing.name):
            for probed in record.probed:
                key, packing = f"arm:{probed.arm_id}", probed.packing()
                if key in self._known.runs and packing is not None:
                    tag = RunTag(f"modstudy.{PACKING}.{probed.accelerator}", described(packing))
                    self._store.log(self._known.runs[key], [tag])
            self._store.upload("log_dict", self._known.runs["study"], json.loads(content), self._folder.packing.name)
            self._writer.remember(PACKING, content)
