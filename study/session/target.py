"""Resolves what the user names as a study: a study file, a built-in study, a run folder, or a definition in code."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from study.definition.loading import built_in_studies, load_study
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.errors import UserError
from study.layout import RUNS, RunFolder
from study.plan.device import gpus_of_this_machine
from study.plan.plan import StudyPlan, compile_plan, fingerprint_of
from study.plan.run_files import device_of_run, renew_plan, study_as_run
from study.run_folder.old_secrets import take_out_secrets
from study.run_folder.ownership import refuse_another_study, trained_plan
from study.run_folder.place import run_folder_at
from trainables.foundation.objects.address import address_of, shown

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """A study definition and its run folder.

    Attributes:
        definition: the definition of the study.
        file: the file the definition was read from; None if it was given in code.
        folder: the run folder; it may not exist yet.
        given: what the user passed: the file, a built-in name or the folder.
        runs: the parent of the run folders, as the user passed it.
    """

    definition: StudyDefinition
    file: Path | None
    folder: RunFolder
    given: Path | None = None
    runs: Path = RUNS

    def compile(self, gpus: Callable[[], float] = gpus_of_this_machine) -> StudyPlan:
        """Return the plan of the study, on the device of its run folder if it holds trials.

        Args:
            gpus: tells how many GPUs there are where the study will run; called only if that decides the device.

        Raises:
            UserError: unknown backbone, stage or task, or missing data.
        """
        with self.named():
            return compile_plan(self.definition, device=device_of_run(self.definition, self.folder, gpus))

    def named(self) -> AbstractContextManager[None]:
        """Prefix the message of a ``UserError`` raised inside with the study file or the study's name."""
        return error_context(file=self.file or f"study {self.definition.name}")

    def command(self, name: str, *options: str) -> str:
        """Return the command for an operation on this study, or the method call if it was given in code."""
        given = self.given or self.file
        if given is None:
            settings = ", ".join(f"{option.removeprefix('--')}=True" for option in options)
            return f".{name}({settings})"
        return command_line(name, given, self.runs, *options)

    def training_again(self) -> str:
        """Return how trials that have ended are trained again: the command, or in a store, which has none, words."""
        if self.folder.url:
            return "run the study under another name (--retrain works in a folder only)"
        return self.command("run", "--retrain")


def command_line(command: str, given: Path, runs: Path, *options: str) -> str:
    """Return the command that a user types to address the same study in the same place."""
    place = [] if runs == RUNS else ["--runs-dir", shown(runs)]
    return shlex.join(["modstudy", command, shown(given), *options, *place])


def from_here(path: Path) -> Path:
    """Return a path relative to the working directory if it is below it, else unchanged."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def find_target(given: Path, runs: Path = RUNS, folder: Path | None = None) -> Target:
    """Return the target that ``given`` refers to.

    Args:
        given: a study file, a built-in name, or a run folder (recognized by the study file or plan in it).
        runs: the parent of the run folders.
        folder: the run folder, if it is not ``runs`` / the study's name.

    Raises:
        UserError: no such study exists, or the study file breaks a rule.
    """
    if given.is_dir() or address_of(given):
        own = run_folder_at(given)
        _take_out_secrets(own)
        if not (own.definition.is_file() or own.plan.is_file()):
            raise UserError(f"{shown(given)}: not the folder of a run (it holds no {own.definition.name})")
        if folder is not None:
            return _in_folder(study_as_run(own), folder, own.definition)
        return Target(study_as_run(own), own.definition, own, given, runs)
    _refuse_name_of_run(given, runs)
    definition = load_study(given)
    if folder is not None:
        return _in_folder(definition, folder, given)
    own = run_folder_at(_place_of_runs(given, runs, definition.name) / definition.name)
    _take_out_secrets(own)
    return Target(definition, given, own, given, runs)


def _refuse_name_of_run(given: Path, runs: Path) -> None:
    """Refuse the bare name of a study that has been run; its folder is a study, its name is none.

    Raises:
        UserError: names the folder.
    """
    own = RunFolder(runs / given)
    if address_of(runs) or given.exists() or given.name != str(given) or given.name in built_in_studies():
        return
    if own.definition.is_file() or own.plan.is_file():
        raise UserError(f"{given}: no such study file, but there is a run of that name: {own.path}")


def target_of(definition: StudyDefinition, folder: Path | None = None) -> Target:
    """Return the target of a definition given in code; by default its run is in ``runs/NAME``."""
    return _in_folder(definition, folder or RUNS / definition.name, None)


def _in_folder(definition: StudyDefinition, folder: Path, given: Path | None) -> Target:
    own = run_folder_at(folder)
    _take_out_secrets(own)
    named_after_study = own.path.name == definition.name  # a command can name its place: --runs-dir
    parent = Path(own.url).parent if own.url else own.path.parent
    return Target(definition, given, own, given if named_after_study else None, parent)


def _place_of_runs(given: Path, runs: Path, name: str) -> Path:
    """Return the parent of a study's run folders: the folder given by the user, else ``runs`` next to the study file.

    The location does not depend on the working directory. As an exception, a run below the working directory, where
    older versions put it, is still used if there is none next to the file. Built-in studies have no file of their own,
    so their runs are below the working directory.
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
    """Ensure that a study has been run; a damaged or missing plan is rewritten from the study file stored with the run.

    Raises:
        UserError: the study has not been run, another study was run under its name, or its plan cannot be rewritten.
    """
    folder = target.folder
    if not (folder.plan.is_file() or folder.definition.is_file()):
        raise UserError(f"{folder.shown}: this study has not been run yet; start it with: {target.command('run')}")
    renew_plan(folder)
    with target.named():
        refuse_another_study(target.definition, _fingerprint_if_moved(target), folder)


def find_run(given: Path, runs: Path = RUNS) -> Target:
    """Return the target of a study that has been run.

    Raises:
        UserError: there is no such study, or ``require_run`` refuses it.
    """
    target = find_target(given, runs)
    require_run(target)
    return target


def _fingerprint_if_moved(target: Target) -> str | None:
    """Return the data's fingerprint if the data section differs from that of the run and can be read, else None."""
    run = trained_plan(target.folder)
    if run is None or run["definition"]["data"] == target.definition.to_dict()["data"]:
        return None
    try:
        return fingerprint_of(target.definition)
    except UserError:  # unavailable, such as when a run is inspected on another machine
        return None
