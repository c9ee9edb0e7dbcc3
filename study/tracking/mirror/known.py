"""What a store holds of a run folder already, found by the tags of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow.entities import Run, ViewType
from pydantic import BaseModel

from study.layout import RunFolder
from study.tracking.identity import FolderIdentity
from study.tracking.mirror.changes import JournalChanges
from study.tracking.pages.routes import FOLDER
from study.tracking.store import Store

KEY, STUDY, MIRRORED, DIGEST = (f"modstudy.{name}" for name in ("key", "study", "mirrored", "digest"))
OBJECTIVE = "modstudy.objective"
"""Tag that says what the metric ``objective`` is."""

PARENT = "mlflow.parentRunId"
ARTIFACTS = ("tables", "report")
PACKING, NOTE = "packing", "note"


class _Noted(BaseModel):
    """What ``mlflow_runs.json`` holds."""

    study: str
    arms: dict[str, str]
    trials: dict[str, str]


@dataclass
class Known:
    """Run ids by key, with what of them is mirrored already.

    Attributes:
        experiment: the id of the experiment.
        identity: of the run folder.
        runs: run ids by key (``study``, ``arm:<arm_id>``, ``trial:<trial_id>``).
        parents: the parent's run id by key.
        mirrored: journal events mirrored, by key of a trial; of an arm, the version of what it has of its plan.
        labels: short labels of the arms, by name.
        digests: of the content last mirrored, by key, and of artifacts by their name.
        artifacts: where runs have their files, by key.
        begun: when runs began, in unix milliseconds, by key.
        status: of runs, by key.
        plan: the plan that was mirrored last; None before there was one.
        results: of tables and report as they were when they were last mirrored without a flaw.
        ends: Unix time in seconds of the last event of an arm's trials, by arm id.
        notes: what the user should know of what was found, a line each.
        journals: those of the folder, and what of them is mirrored.
    """

    experiment: str
    identity: FolderIdentity
    journals: JournalChanges
    runs: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    mirrored: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    results: tuple[tuple[str, int, int], ...] | None = None
    ends: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def learn(self, run: Run) -> None:
        """Note a run of this folder."""
        tags, key = run.data.tags, run.data.tags[KEY]
        self.runs[key] = run.info.run_id
        self.parents[key] = tags.get(PARENT, "")
        self.mirrored[key] = _mirrored(run)
        self.digests[key] = tags.get(DIGEST, "")
        self.artifacts[key] = run.info.artifact_uri
        self.begun[key], self.status[key] = run.info.start_time, run.info.status
        params = run.data.params
        if key.startswith("arm:") and {"arm", "label"} <= params.keys():
            self.labels[params["arm"]] = params["label"]
        if key == "study":
            self.digests |= {name: tags.get(f"{DIGEST}.{name}", "") for name in (*ARTIFACTS, PACKING, NOTE)}


def recall(store: Store, known: Known, folder: RunFolder, plan: Mapping[str, Any]) -> None:
    """Note in ``known``, which is empty yet, what the experiment holds of a run folder.

    Runs of one key that were made twice, for an answer was lost, become one. Runs that were mirrored before folders had
    an identity are taken over where they are this folder's.

    Raises:
        StoreError: the store cannot be reached or refuses.
    """
    own = f"tags.`{FOLDER}` = '{known.identity.key}'"
    found = list(store.runs(known.experiment, own)) or _taken_over(store, known, folder, plan)
    for key, runs in _by_key(found).items():
        kept, *surplus = sorted(runs, key=lambda run: (-_mirrored(run), run.info.start_time, run.info.run_id))
        known.learn(kept)
        for run in surplus:
            store.call("delete_run", run.info.run_id)
            known.notes.append(f"MLflow had the run {key} twice because a response was lost; the empty one is deleted")
    deleted = _by_key(store.runs(known.experiment, own, ViewType.DELETED_ONLY))
    known.notes += _what_was_deleted(known, deleted)
    known.notes += _other_folders(store, known, plan["study"])


def _by_key(runs: Iterable[Run]) -> dict[str, list[Run]]:
    keyed: dict[str, list[Run]] = {}
    for run in runs:
        if KEY in run.data.tags:
            keyed.setdefault(run.data.tags[KEY], []).append(run)
    return keyed


def _mirrored(run: Run) -> int:
    number = run.data.tags.get(MIRRORED, "0")
    return int(number) if number.isdecimal() else 0


def _taken_over(store: Store, known: Known, folder: RunFolder, plan: Mapping[str, Any]) -> list[Run]:
    """Return runs of this folder from before there were identities, tagged with its own now."""
    keys = {"study", *(f"arm:{arm['arm_id']}" for arm in plan["arms"])}
    keys |= {f"trial:{path.parent.name}" for path in folder.trials.glob("*/journal.jsonl")}
    noted = _noted_runs(folder)
    older = [
        run
        for run in store.runs(known.experiment, f"tags.`{STUDY}` = '{plan['study']}'")
        if FOLDER not in run.data.tags and run.data.tags.get(KEY) in keys
    ]
    if known.identity.copied or not any(run.data.tags[KEY] == "study" and run.info.run_id in noted for run in older):
        return []
    own = [run for run in older if run.info.run_id in noted]
    for run in own:
        store.call("set_tag", run.info.run_id, FOLDER, known.identity.key)
    return own


def _noted_runs(folder: RunFolder) -> set[str]:
    """Return the ids of the runs that an earlier call made for this folder."""
    try:
        noted = _Noted.model_validate_json(folder.mlflow_runs.read_bytes())
    except (OSError, ValueError):  # missing or damaged; it is rewritten
        return set()
    return {noted.study, *noted.arms.values(), *noted.trials.values()}


def _what_was_deleted(known: Known, deleted: Mapping[str, list[Run]]) -> list[str]:
    """Report the runs that are about to be recreated."""
    gone = {key: runs[0].info.run_name for key, runs in deleted.items() if key not in known.runs}
    notes = [
        f"the run {name!r} of the {kind} was deleted in MLflow; it is recreated, with its runs below it"
        for kind, name in ((key.partition(":")[0], name) for key, name in gone.items())
        if kind != "trial"
    ]
    trials = sum(key.startswith("trial:") for key in gone)
    return notes + ([f"{trials} trial runs were deleted in MLflow and are recreated"] if trials else [])


def _other_folders(store: Store, known: Known, study: str) -> list[str]:
    """Say that the experiment also holds the study of another run folder."""
    condition = f"tags.`{STUDY}` = '{study}' and tags.`modstudy.kind` = 'study'"
    places = {
        run.data.tags.get("modstudy.path", "somewhere else")
        for run in store.runs(known.experiment, condition)
        if run.data.tags.get(FOLDER) != known.identity.key
    }
    return [
        f"MLflow also contains the study {study} of another run folder ({place}); the two are kept separate"
        for place in sorted(places)
    ]
