"""Keeps a tree of MLflow runs (study, arms, trials) in step with a run folder.

MLflow is a mirror. Everything is derived from the plan, the journals and the tables, so a dead server loses nothing:
``sync`` brings the store up to date later, and doing it twice changes nothing. Runs are found by their tags and
addressed by explicit ids; the fluent active run is never used.
"""

from __future__ import annotations

import json
from typing import Any

from study.definition.secrets import without_secrets
from study.definition.tracking_address import StoreAddress
from study.layout import RunFolder
from study.run_folder.plan_file import read_document
from study.tracking.errors import BrokenOffError, StoreRefusedError
from study.tracking.identity import identify
from study.tracking.mirror.changes import JournalChanges
from study.tracking.mirror.known import Known, recall
from study.tracking.mirror.mirroring import Mirroring
from study.tracking.mirror.results import Stamps, result_stamps
from study.tracking.mirror.writing import SyncReport
from study.tracking.store import Store
from trainables.foundation.files import write_text_atomically
from trainables.foundation.locks.lock import locked

_NAMED = 3
"""Trials whose ids are named; the others are only counted."""


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
        self._journals: JournalChanges | None = None  # also while a pass is made, or after one that failed
        self._results: Stamps | None = None
        self._plan: tuple[tuple[int, int], dict[str, Any]] | None = None

    def sync(self, folder: RunFolder) -> SyncReport:
        """Bring the store up to date with the journals and tables of ``folder``.

        What was found in the store is trusted from call to call until one fails; then it is looked at again, at once
        where a run that was known has been deleted in between. Trials that were over and mirrored are not looked at
        again before ``look_at_all``.

        Raises:
            StoreError: the store cannot be reached, refuses more than single points or runs, or the pass is broken off;
                nothing is lost and the next call resumes where this one stopped.
            UserError: the folder holds no plan or a damaged one, or tables of a newer version.
        """
        with locked(folder.path / "sync.lock"):
            known, self._known = self._known, None  # trusted again once all went well
            try:
                return self._pass(folder, known)
            except StoreRefusedError:
                if known is None:
                    raise
                return self._pass(folder, None)
            except BrokenOffError:
                self._known = known  # what is in it is there
                raise

    def look_at_all(self) -> None:
        """Let the next call look at every trial; call it from the thread that calls ``sync``."""
        if self._known is not None:
            self._known.journals.look_at_all()

    def unsent(self, folder: RunFolder) -> str:
        """Return what of a run folder is not in the store yet, in words, without asking it; "" if all is.

        May be called from any thread at any time. A trial that was mirrored in part counts.
        """
        journals = self._journals or JournalChanges(folder)
        trials, results = journals.unsent(), result_stamps(folder)
        shown = ", ".join(trials[:_NAMED]) + (", ..." if len(trials) > _NAMED else "")
        parts = [f"{len(trials)} {'trial' if len(trials) == 1 else 'trials'} ({shown})"] if trials else []
        parts += ["tables and report"] if results and results != self._results else []
        return " and ".join(parts)

    def _pass(self, folder: RunFolder, known: Known | None) -> SyncReport:
        plan, fresh = self._read_plan(folder), known is None
        if known is None:
            known = Known(self.store.experiment(self._experiment), identify(folder), JournalChanges(folder))
            recall(self.store, known, folder, plan)
        report = SyncReport(known.experiment, notes=known.notes if fresh else [])
        mirroring = Mirroring(self.store, known, folder, plan, report)
        if fresh:
            mirroring.compare()
            self._journals = known.journals
        try:
            mirroring.bring_up_to_date()
            if fresh:
                mirroring.share_views()
        finally:
            self._results = known.results
            if fresh or report.runs_created:
                _write_run_ids(folder, known)
        self._known = known
        return report

    def _read_plan(self, folder: RunFolder) -> dict[str, Any]:
        """Return the plan, read where it has changed."""
        try:
            found = folder.plan.stat()
        except OSError:
            return _read_plan(folder)  # which says what is wrong
        stamp = found.st_size, found.st_mtime_ns
        if self._plan is None or self._plan[0] != stamp:
            self._plan = stamp, _read_plan(folder)
        return self._plan[1]


def _read_plan(folder: RunFolder) -> dict[str, Any]:
    """Return the plan; one of an older version may hold a password in its tracking address, which goes no further."""
    plan = read_document(folder)
    tracking = plan["definition"].get("tracking") or {}
    if tracking.get("uri"):
        tracking["uri"] = without_secrets(tracking["uri"])
    return plan


def _write_run_ids(folder: RunFolder, known: Known) -> None:
    """Write which run belongs to the study, to each arm and to each trial, for the ``trials`` table."""
    if "study" not in known.runs:
        return
    ids: dict[str, Any] = {"study": known.runs["study"], "arms": {}, "trials": {}}
    for key, run_id in sorted(known.runs.items()):
        kind, _, name = key.partition(":")
        if name:
            ids[f"{kind}s"][name] = run_id
    write_text_atomically(folder.mlflow_runs, json.dumps(ids, indent=1) + "\n")
