"""``modstudy submit``: lets a cluster run a study, as a Ray job."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from study.definition.loading import dump_study
from study.errors import UserError
from study.session.target import find_target
from study.terminal.display import open_console, say, unbroken
from study.tune.jobs import STUDY_FILE, Job, submit_job
from trainables.foundation.objects.address import address_of

_HOW_TO_BUILD = "to build it: pip wheel --no-deps --wheel-dir dist ."


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
    target = find_target(command.given, command.runs)
    options = [] if command.workers is None else ["--workers", str(command.workers)]
    options += [] if command.tracking else ["--no-tracking"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / STUDY_FILE).write_text(dump_study(target.definition), encoding="utf-8")
        if command.wheel is not None:
            unpack_wheel(command.wheel, Path(folder))
        job = submit_job(Job(Path(folder), command.runs, tuple(options)), command.address)
    console = open_console()
    say(console, f"study {target.definition.name} is job {job}; its run folder: {target.folder.shown}")
    say(console, f"to follow it: {unbroken(f'ray job logs {job} --address {command.address} --follow')}")
    say(console, f"to stop it: {unbroken(f'ray job stop {job} --address {command.address}')} (the same submit resumes)")


def unpack_wheel(wheel: Path, folder: Path) -> None:
    """Unpack a wheel of this project: its packages, and the record of its version.

    Ray's own way, ``py_modules``, has pip install the wheel and all it depends on, without our constraints, ahead of
    what the nodes have. A wheel of pure Python only has to be unpacked (PyPA, binary distribution format).

    Raises:
        UserError: it is no wheel of this project.
    """
    if wheel.suffix != ".whl" or not wheel.is_file():
        raise UserError(f"--wheel {wheel}: no such wheel; {_HOW_TO_BUILD}")
    try:
        with zipfile.ZipFile(wheel) as files:
            if not any(name.startswith("modulation_study-") for name in files.namelist()):
                raise UserError(f"--wheel {wheel}: must be a wheel of this project; {_HOW_TO_BUILD}")
            files.extractall(folder)
    except zipfile.BadZipFile as error:
        raise UserError(f"--wheel {wheel}: is damaged, or no wheel; {_HOW_TO_BUILD}") from error
