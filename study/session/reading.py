"""Tables, figures and report of a run, built from its journals."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from study.collect.collect import build_tables, collect, collect_progress, noted_mlflow_runs
from study.errors import UserError
from study.layout import RUNS, RunFolder
from study.packing.decision import chosen
from study.packing.measurement import Packing
from study.packing.record import ProbedArm, read_packing
from study.packing.wording import shared_lines
from study.plan.data_record import data_facts
from study.run_folder.driver import driver_of
from study.schedule.progress import RunProgress, read_progress
from study.session.edits import edits_line
from study.session.notes import notes_on
from study.session.target import Target, command_line, from_here
from study.status.status import StudyStatus, study_status
from trainables.foundation.files import naming

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from results.report.report import ReportFiles

_LOG = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int], ...]


class Tables:
    """The current tables of one run folder, rebuilt whenever a file they depend on has changed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._folder: RunFolder = target.folder
        self._stamp: _Stamp | None = None
        self._tables: dict[str, pd.DataFrame] = {}

    def read(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name; log a warning if they are of another edition of the study."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            progress = read_progress(self._folder)
            self._tables = build_tables(progress, noted_mlflow_runs(self._folder))
            self._stamp = stamp
            if edits := edits_line(self._target, progress.plan):
                _LOG.warning("study %s: %s", self._target.definition.name, edits)
        return self._tables

    def _stamp_now(self) -> _Stamp:
        """Return the names, modification times and sizes of the files that the tables depend on."""
        files = [self._folder.plan, self._folder.rounds, self._folder.mlflow_runs]
        files += sorted(self._folder.trials.glob("*/journal.jsonl"))
        found = [(path, path.stat()) for path in files if path.is_file()]
        return tuple((str(path), status.st_mtime_ns, status.st_size) for path, status in found)


def read_status(target: Target) -> StudyStatus:
    """Return the status of a run, with remarks on it."""
    driver = driver_of(target.folder)  # before the journals: a trial that begins in between is running
    progress = read_progress(target.folder)
    notes = (*notes_on(target, progress), *shared_lines(_shared(target, progress)))
    return replace(study_status(progress, time.time(), driver), notes=notes)


def _shared(target: Target, progress: RunProgress) -> tuple[tuple[ProbedArm, Packing], ...]:
    """Return how the trials of each arm share GPUs, as probed; nothing for a run that was not."""
    record = read_packing(target.folder)
    return tuple(chosen(progress.plan, record)) if record.probed else ()


def draw(tables: dict[str, pd.DataFrame], name: str) -> Figure:
    """Draw one of the report's figures.

    Raises:
        UserError: there is no such figure, or no data to draw yet.
    """
    from results.report.figures import report_figure

    try:
        return report_figure(name, tables)
    except ValueError as error:
        raise UserError(str(error)) from None


def collect_run(target: Target) -> dict[str, pd.DataFrame]:
    """Write the tables of a run and return them by name."""
    return collect(target.folder)


def report_run(target: Target) -> ReportFiles:
    """Write the tables and the report of a run."""
    progress = read_progress(target.folder)
    collect_progress(target.folder, progress)
    return write_study_report(target, progress)


def write_study_report(target: Target, progress: RunProgress) -> ReportFiles:
    """Write the report from tables that already reflect ``progress``."""
    from results.report.report import Origin, write_report  # loads matplotlib, which a status does without
    from results.report.sharing_section import SharedGpu

    named = target.file or from_here(target.folder.path)
    commands = tuple(command_line(name, named, RUNS) for name in ("run", "report"))
    facts = data_facts(target.folder, progress.plan.data_fingerprint)
    shared = tuple(
        SharedGpu(
            probed.arm,
            f"{probed.accelerator} ({probed.probe.device})",
            packing.processes,
            packing.mps,
            packing.images_per_second,
            packing.speedup,
            packing.bytes_per_process,
        )
        for probed, packing in _shared(target, progress)
    )
    origin = Origin(target.definition.description, commands, facts, tuple(notes_on(target, progress)), shared)
    with naming(target.folder.report):
        return write_report(target.folder.tables, target.folder.report, origin)
