"""What the user points at: a study file, the name of a built-in study, or the folder of a run."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import typer

from study.definition.loading import load_study
from study.definition.model import StudyDefinition
from study.definition.validation import error_context
from study.errors import UserError
from study.layout import RUNS, RunFolder
from study.plan.plan import StudyPlan, compile_plan, fingerprint_of
from study.plan.run_files import renew_plan, study_as_run
from study.run_folder.old_secrets import take_out_secrets
from study.run_folder.ownership import refuse_another_study, trained_plan


@dataclass(frozen=True)
class Target:
    """A definition, the file it came from, and the folder its run lies in or will lie in."""

    definition: StudyDefinition
    file: Path
    folder: RunFolder

    def compile(self) -> StudyPlan:
        """Return the plan.

        Raises:
            UserError: an unknown backbone, stage or task, or data that is not there.
        """
        with self.named():
            return compile_plan(self.definition)

    def named(self) -> AbstractContextManager[None]:
        """Put the name of the study file before the message of a ``UserError`` raised inside."""
        return error_context(file=self.file)


def command_line(command: str, given: Path, runs: Path) -> str:
    """Return the command as a user types it to mean the same study in the same place."""
    place = [] if runs == RUNS else ["--runs-dir", str(runs)]
    return shlex.join(["modstudy", command, str(given), *place])


def find_target(given: Path, runs: Path) -> Target:
    """Return what ``given`` means.

    Args:
        given: a study file, a built-in name, or a run folder (recognised by the study file in it).
        runs: where the folders of runs lie.

    Raises:
        UserError: nothing of the kind is there, or the study file breaks a rule.
    """
    if given.is_dir():
        folder = RunFolder(given.resolve())
        _take_out_secrets(folder)
        if not (folder.definition.is_file() or folder.plan.is_file()):
            raise UserError(f"{given}: not the folder of a run (it holds no {folder.definition.name})")
        return Target(study_as_run(folder), folder.definition, folder)
    definition = load_study(given)
    folder = RunFolder((_place_of_runs(given, runs, definition.name) / definition.name).resolve())
    _take_out_secrets(folder)
    return Target(definition, given, folder)


def _place_of_runs(given: Path, runs: Path, name: str) -> Path:
    """Return where the runs of a study lie: beside its file, wherever the command is called; else where it was told.

    A run that lies below the current folder, where older versions put it, is found there as long as none lies beside
    the file. Built-in studies have no place, so their runs lie below the current folder.
    """
    if runs != RUNS or not given.is_file():
        return runs
    beside = given.resolve().parent / RUNS
    moved = not RunFolder(beside / name).plan.is_file() and RunFolder(RUNS / name).plan.is_file()
    return RUNS if moved else beside


def _take_out_secrets(folder: RunFolder) -> None:
    if files := take_out_secrets(folder):
        names = " and ".join(str(path) for path in files)
        typer.echo(
            f"{names} held the login of tracking.uri, as an older version wrote it; it has been taken out. Change that"
            " password, for MLflow may have it in plan.json until the next sync",
            err=True,
        )


def find_run(given: Path, runs: Path) -> Target:
    """Return a study that has been run. A plan that is damaged or lost is written anew from the study as it was run.

    Raises:
        UserError: it has not, there is no such study, what was run under its name is another one, or its plan cannot
            be written anew.
    """
    target = find_target(given, runs)
    folder = target.folder
    if not (folder.plan.is_file() or folder.definition.is_file()):
        raise UserError(
            f"{folder.path}: this study has not been run yet; start it with: {command_line('run', given, runs)}"
        )
    renew_plan(folder)
    with target.named():
        refuse_another_study(target.definition, _fingerprint_if_moved(target), folder)
    return target


def _fingerprint_if_moved(target: Target) -> str | None:
    """Return the fingerprint of data that lies elsewhere than that of the run, if it can be read."""
    run = trained_plan(target.folder)
    if run is None or run["definition"]["data"] == target.definition.to_dict()["data"]:
        return None
    try:
        return fingerprint_of(target.definition)
    except UserError:  # not at hand, where a run is looked at on another machine
        return None
