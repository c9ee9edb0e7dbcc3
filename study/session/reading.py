"""Tables, figures and report of a run, built from its journals."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from study.errors import UserError
from study.layout import RUNS, RunFolder
from study.packing.decision import chosen
from study.packing.measurement import Packing
from study.packing.record import ProbedArm, read_packing
from study.packing.wording import shared_lines
from study.plan.data_record import data_facts
from study.retention.space import run_space
from study.run_folder.driver import driver_of
from study.run_folder.place import refreshed
from study.schedule.progress import RunProgress, read_progress
from study.session.edits import edits_line
from study.session.notes import notes_on
from study.session.target import Target, command_line, from_here
from study.status.status import StudyStatus, study_status
from trainables.foundation.files import naming
from trainables.foundation.objects.address import address_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from results.analysis.reported import Results
    from results.report.opening import Origin
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
        refreshed(self._folder)
        stamp = self._stamp_now()
        if stamp != self._stamp:
            from study.collect.collect import build_tables, noted_mlflow_runs  # loads pandas, as all below do

            progress = read_progress(self._folder)
            self._tables = build_tables(self._folder, progress, noted_mlflow_runs(self._folder))
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
    progress = read_progress(refreshed(target.folder))
    notes = _remarks(target, progress)
    known = (trial.trial for trial in progress.trials)
    space = None if target.folder.url else run_space(target.folder, progress.plan, trials=known)
    return replace(study_status(progress, time.time(), driver), notes=notes, space=space)


def _remarks(target: Target, progress: RunProgress) -> tuple[str, ...]:
    return (*notes_on(target, progress), *shared_lines(_shared(target, progress)))


def _shared(target: Target, progress: RunProgress) -> tuple[tuple[ProbedArm, Packing], ...]:
    """Return how the trials of each arm share GPUs, as probed; nothing for a run that was not."""
    record = read_packing(target.folder)
    return tuple(chosen(progress.plan, record)) if record.probed else ()


def draw(target: Target, tables: dict[str, pd.DataFrame], name: str) -> Figure:
    """Draw one of the report's figures; those of networks read weights and images.

    Raises:
        UserError: there is no such figure, or no data to draw yet.
    """
    from results.analysis.reported import Results
    from results.report.figures import OF_NETWORKS, report_figure
    from study.session.page import networks_of
    from study.storage.known import storage_known

    progress = read_progress(target.folder)
    results = replace(Results.of(tables), stored_networks=storage_known(target.folder, progress))
    if name in OF_NETWORKS:
        results = replace(results, networks=networks_of(target, progress, results.summary, images=None))
    try:
        return report_figure(name, results)
    except ValueError as error:
        raise UserError(str(error)) from None


def collect_run(target: Target) -> dict[str, pd.DataFrame]:
    """Write the tables of a run and return them by name."""
    from study.collect.collect import collect

    return collect(target.folder)


@dataclass(frozen=True)
class Collected:
    """The numbers of rows of the tables written, by name, and the remarks on the run that go with them."""

    rows: dict[str, int]
    notes: tuple[str, ...]


def collect_rows(target: Target) -> Collected:
    """Write the tables of a run, of which few rows are in memory at any time."""
    from results.tables.schema import TABLES
    from results.tables.store import row_count
    from study.collect.collect import write_progress

    progress = read_progress(target.folder)
    write_progress(target.folder, progress)
    return Collected({name: row_count(target.folder.tables, name) for name in TABLES}, _remarks(target, progress))


def report_run(target: Target, *, images: bool | None = None, within: float | None = None) -> ReportFiles:
    """Write the tables and the report of a run.

    Args:
        target: the study.
        images: whether page and figures show test images; None shows only those that this project generated.
        within: points of the best within which the cheapest arm is looked for; None for the usual ones.
    """
    from results.analysis.front.cheapest import WITHIN
    from results.analysis.reported import Results
    from study.collect.collect import collect_progress
    from study.session.page import networks_of
    from study.storage.known import storage_known

    progress = read_progress(target.folder)
    tables = collect_progress(target.folder, progress)
    found = Results.of(tables)
    networks = networks_of(target, progress, found.summary, images=images)
    results = replace(found, stored_networks=storage_known(target.folder, progress), networks=networks)
    results = replace(results, within=WITHIN if within is None else within)
    files = write_study_report(target, progress, results)
    return replace(files, page=write_study_page(target, progress, results))


def write_study_page(target: Target, progress: RunProgress, results: Results) -> Path:
    """Write the HTML page of results that reflect ``progress``."""
    from results.page.writing import write_page
    from study.session.page import PageRequest, page_origin

    request = PageRequest(
        reproducing(target),
        data_facts(target.folder, progress.plan.data_fingerprint),
        tuple(notes_on(target, progress)),
    )
    origin = page_origin(target, progress, request)
    with naming(target.folder.report):
        return write_page(results, target.folder.report, origin)


def reproducing(target: Target) -> tuple[str, ...]:
    """Return the commands that reproduce the results of a study."""
    url = target.folder.url
    if url and (target.file is None or target.given is None or address_of(target.given)):
        return tuple(command_line(name, Path(url), RUNS) for name in ("run", "report"))
    named = target.file or from_here(target.folder.path)
    runs = RUNS if target.given is None or target.given.is_dir() else target.runs  # a run folder says where it is
    return tuple(command_line(name, named, runs) for name in ("run", "report"))


def write_study_report(target: Target, progress: RunProgress, results: Results) -> ReportFiles:
    """Write the report of results that reflect ``progress``."""
    from results.report.report import write_report  # loads matplotlib, which a status does without

    with naming(target.folder.report):
        return write_report(results, target.folder.report, report_origin(target, progress))


def report_origin(target: Target, progress: RunProgress) -> Origin:
    """Collect what the report shows besides the tables."""
    from results.report.opening import Origin
    from results.report.sharing_section import SharedGpu

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
    facts = data_facts(target.folder, progress.plan.data_fingerprint)
    notes = tuple(notes_on(target, progress))
    return Origin(target.definition.description, reproducing(target), facts, notes, shared)
