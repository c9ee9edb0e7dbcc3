"""Which study is meant: a study file, a built-in study, a run's folder, or a definition given in code."""

from __future__ import annotations

import logging
import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from study.definition.loading import load_study
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.errors import UserError
from study.layout import RUNS, RunFolder
from study.plan.plan import StudyPlan, compile_plan, fingerprint_of
from study.plan.run_files import renew_plan, study_as_run
from study.run_folder.old_secrets import take_out_secrets
from study.run_folder.ownership import refuse_another_study, trained_plan

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """A definition and the folder of its run.

    Attributes:
        definition: of the study.
        file: it was read from; None where it was given in code.
        folder: its run is there, or will be.
        given: what the user named it by: the file, a built-in name or the folder.
        runs: where the folders of runs are, as the user said it.
    """

    definition: StudyDefinition
    file: Path | None
    folder: RunFolder
    given: Path | None = None
    runs: Path = RUNS

    def compile(self) -> StudyPlan:
        """Return the plan.

        Raises:
            UserError: an unknown backbone, stage or task, or data that is not there.
        """
        with self.named():
            return compile_plan(self.definition)

    def named(self) -> AbstractContextManager[None]:
        """Put the study file, or the study's name, before the message of a ``UserError`` raised inside."""
        return error_context(file=self.file or f"study {self.definition.name}")

    def command(self, name: str, *options: str) -> str:
        """Return how the user does something with this study: a command, or a call where it was given in code."""
        given = self.given or self.file
        if given is None:
            settings = ", ".join(f"{option.removeprefix('--')}=True" for option in options)
            return f".{name}({settings})"
        return command_line(name, given, self.runs, *options)


def command_line(command: str, given: Path, runs: Path, *options: str) -> str:
    """Return the command as a user types it to mean the same study in the same place."""
    place = [] if runs == RUNS else ["--runs-dir", str(runs)]
    return shlex.join(["modstudy", command, str(given), *options, *place])


def from_here(path: Path) -> Path:
    """Return a path as it is written from the working directory, where it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def find_target(given: Path, runs: Path = RUNS, folder: Path | None = None) -> Target:
    """Return what ``given`` means.

    Args:
        given: a study file, a built-in name, or a run folder (recognised by the study file in it).
        runs: where the folders of runs are.
        folder: of the run, where it is another than the study's name below ``runs``.

    Raises:
        UserError: nothing of the kind is there, or the study file breaks a rule.
    """
    if given.is_dir():
        own = RunFolder(given.resolve())
        _take_out_secrets(own)
        if not (own.definition.is_file() or own.plan.is_file()):
            raise UserError(f"{given}: not the folder of a run (it holds no {own.definition.name})")
        return Target(study_as_run(own), own.definition, own, given, runs)
    definition = load_study(given)
    if folder is not None:
        return _in_folder(definition, folder, given)
    own = RunFolder((_place_of_runs(given, runs, definition.name) / definition.name).resolve())
    _take_out_secrets(own)
    return Target(definition, given, own, given, runs)


def target_of(definition: StudyDefinition, folder: Path | None = None) -> Target:
    """Return the target of a definition given in code; its run is in ``runs/NAME`` of the working directory."""
    return _in_folder(definition, folder or RUNS / definition.name, None)


def _in_folder(definition: StudyDefinition, folder: Path, given: Path | None) -> Target:
    own = RunFolder(folder.expanduser().resolve())
    _take_out_secrets(own)
    named_after_study = own.path.name == definition.name  # a command can name its place: --runs-dir
    return Target(definition, given, own, given if named_after_study else None, own.path.parent)


def _place_of_runs(given: Path, runs: Path, name: str) -> Path:
    """Return where the runs of a study are: beside its file, wherever the command is called; else where it was told.

    A run below the current folder, where older versions put it, is found there as long as there is none beside the
    file. Built-in studies have no place, so their runs are below the current folder.
    """
    if runs != RUNS or not given.is_file():
        return runs
    beside = given.resolve().parent / RUNS
    moved = not RunFolder(beside / name).plan.is_file() and RunFolder(RUNS / name).plan.is_file()
    return RUNS if moved else beside


def _take_out_secrets(folder: RunFolder) -> None:
    if files := take_out_secrets(folder):
        names = " and ".join(str(path) for path in files)
        _LOG.warning(
            "%s held the login of tracking.uri, as an older version wrote it; it has been taken out. Change that"
            " password, for MLflow may have it in plan.json until the next sync",
            names,
        )


def require_run(target: Target) -> None:
    """Make sure that a study has been run. A plan that is damaged or lost is written anew from the study as it was run.

    Raises:
        UserError: it has not been run, another study was run under its name, or its plan cannot be written anew.
    """
    folder = target.folder
    if not (folder.plan.is_file() or folder.definition.is_file()):
        raise UserError(f"{folder.path}: this study has not been run yet; start it with: {target.command('run')}")
    renew_plan(folder)
    with target.named():
        refuse_another_study(target.definition, _fingerprint_if_moved(target), folder)


def find_run(given: Path, runs: Path = RUNS) -> Target:
    """Return a study that has been run.

    Raises:
        UserError: there is no such study, or as ``require_run``.
    """
    target = find_target(given, runs)
    require_run(target)
    return target


def _fingerprint_if_moved(target: Target) -> str | None:
    """Return the fingerprint of data that is elsewhere than that of the run, if it can be read."""
    run = trained_plan(target.folder)
    if run is None or run["definition"]["data"] == target.definition.to_dict()["data"]:
        return None
    try:
        return fingerprint_of(target.definition)
    except UserError:  # not at hand, where a run is looked at on another machine
        return None
