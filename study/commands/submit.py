"""``modstudy submit``: lets a cluster run a study, as a Ray job."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from study.definition.loading import dump_study
from study.errors import UserError
from study.session.target import find_target
from study.terminal.display import open_console, say, unbroken
from study.tune.jobs import STUDY_FILE, Job, submit_job
from trainables.foundation.objects.address import address_of


@dataclass(frozen=True)
class SubmitCommand:
    """The options of the command; see ``modstudy submit --help``."""

    given: Path
    address: str
    runs: Path
    workers: int | None = None
    tracking: bool = True
    wheel: Path | None = None


def submit(command: SubmitCommand) -> None:
    """Submit a study and print how to follow it.

    Raises:
        UserError: the study file breaks a rule, a path means nothing on the cluster, or the job is not taken.
    """
    if not (command.runs.is_absolute() or address_of(command.runs)):
        raise UserError(
            f"--runs-dir {command.runs}: must be an absolute path that all nodes of the cluster share, or a URL such as"
            " s3://bucket/runs"
        )
    if command.wheel is not None and (command.wheel.suffix != ".whl" or not command.wheel.is_file()):
        raise UserError(f"--wheel {command.wheel}: no such wheel; to build it: pip wheel --no-deps --wheel-dir dist .")
    target = find_target(command.given, command.runs)
    options = [] if command.workers is None else ["--workers", str(command.workers)]
    options += [] if command.tracking else ["--no-tracking"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / STUDY_FILE).write_text(dump_study(target.definition), encoding="utf-8")
        wheel = command.wheel.resolve() if command.wheel is not None else None
        job = submit_job(Job(Path(folder), command.runs, tuple(options), wheel), command.address)
    console = open_console()
    say(console, f"study {target.definition.name} is job {job}; its run folder: {target.folder.shown}")
    say(console, f"to follow it: {unbroken(f'ray job logs {job} --address {command.address} --follow')}")
    say(console, f"to stop it: {unbroken(f'ray job stop {job} --address {command.address}')} (the same submit resumes)")
