"""Keeps a tree of MLflow runs (study, arms, trials) in step with a run folder.

MLflow is a mirror. Everything is derived from the plan, the journals and the tables, so a dead server loses nothing:
``sync`` brings the store up to date later, and doing it twice changes nothing. Runs are found by their tags and
addressed by explicit ids; the fluent active run is never used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from filelock import FileLock

from study.definition.secrets import without_secrets
from study.definition.tracking_address import StoreAddress
from study.layout import RunFolder
from study.run_folder.plan_file import read_document
from study.tracking.errors import StoreRefusedError
from study.tracking.identity import identify
from study.tracking.known import Known, recall
from study.tracking.mirroring import Mirroring
from study.tracking.store import Store
from trainables.foundation.files import write_text_atomically


@dataclass
class SyncReport:
    """What one call of ``sync`` changed in an ``experiment`` (its id); ``notes`` say what the user should know."""

    experiment: str
    runs_created: int = 0
    trials_updated: int = 0
    points_logged: int = 0
    notes: list[str] = field(default_factory=list)


class Tracker:
    """Mirrors one run folder into one MLflow store.

    Args:
        address: of the store.
        experiment: experiment name; created when missing.
    """

    def __init__(self, address: StoreAddress, experiment: str) -> None:
        self.store = Store(address)
        self._experiment = experiment
        self._known: Known | None = None

    def sync(self, folder: RunFolder) -> SyncReport:
        """Bring the store up to date with the journals and tables of ``folder``.

        What was found in the store is trusted from call to call until one fails; then it is looked at again, at once
        where a run that was known has been deleted in between.

        Raises:
            StoreError: the store cannot be reached, or refuses more than single points or runs; nothing is lost and
                the next call resumes where this one stopped.
            UserError: the folder holds no plan or a damaged one, or tables of a newer version.
        """
        with FileLock(folder.path / "sync.lock"):
            known, self._known = self._known, None  # trusted again once all went well
            try:
                return self._pass(folder, known)
            except StoreRefusedError:
                if known is None:
                    raise
                return self._pass(folder, None)

    def _pass(self, folder: RunFolder, known: Known | None) -> SyncReport:
        plan, fresh = _read_plan(folder), known is None
        if known is None:
            known = Known(self.store.experiment(self._experiment), identify(folder))
            recall(self.store, known, folder, plan)
        report = SyncReport(known.experiment, notes=known.notes if fresh else [])
        mirroring = Mirroring(self.store, known, folder, plan, report)
        mirroring.bring_up_to_date()
        if fresh:
            mirroring.share_view()
        _write_run_ids(folder, known)
        self._known = known
        return report


def _read_plan(folder: RunFolder) -> dict[str, Any]:
    """Return the plan; one of an older version may hold a password in its tracking address, which goes no further."""
    plan = read_document(folder)
    tracking = plan["definition"].get("tracking") or {}
    if tracking.get("uri"):
        tracking["uri"] = without_secrets(tracking["uri"])
    return plan


def _write_run_ids(folder: RunFolder, known: Known) -> None:
    """Write which run belongs to the study, to each arm and to each trial, for the ``trials`` table."""
    ids: dict[str, Any] = {"study": known.runs["study"], "arms": {}, "trials": {}}
    for key, run_id in sorted(known.runs.items()):
        kind, _, name = key.partition(":")
        if name:
            ids[f"{kind}s"][name] = run_id
    write_text_atomically(folder.mlflow_runs, json.dumps(ids, indent=1) + "\n")
