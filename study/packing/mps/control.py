"""Talks to ``nvidia-cuda-mps-control``, and finds the daemon of a place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

CONTROL = "nvidia-cuda-mps-control"
_PROCESSES = "nvidia-cuda-mps-"
_PIPES, _LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_AMBIENT_PIPES = "/tmp/nvidia-mps"  # noqa: S108 - where the control program puts them unless it is told

WITHOUT_MPS = {_PIPES: os.devnull}
"""The environment of a process that shall use no daemon, not even one that runs already: none answers there."""

_PATIENCE_S = 30.0
_QUIT = "quit -t 5"
"""Servers with clients left are ended after 5 s; by then no trial of ours is alive."""


class MpsUnavailableError(RuntimeError):
    """The Multi-Process Service cannot be used here; the message says why."""


@dataclass(frozen=True)
class MpsPlace:
    """The folder of one run's daemon on a node; sockets lie in it, so its name must be short."""

    folder: Path

    @property
    def pipes(self) -> Path:
        """Where clients find the daemon; a link where it is somebody else's."""
        return self.folder / "pipe"

    @property
    def logs(self) -> Path:
        """The daemon's logs."""
        return self.folder / "log"

    @property
    def owner(self) -> Path:
        """Which process the daemon was started for."""
        return self.folder / "owner.json"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which processes use this daemon; where none answers, CUDA does without."""
        return {_PIPES: str(self.pipes), _LOGS: str(self.logs)}


def place_of(run_folder: Path) -> MpsPlace:
    """Return the place of a run's daemon, the same on every node: below this user's own folder in ``/tmp``."""
    name = hashlib.sha256(os.fsencode(run_folder.resolve())).hexdigest()[:12]
    return MpsPlace(Path(f"/tmp/modstudy-mps-{os.getuid()}") / name)  # noqa: S108 - its owner is checked before use


def start_daemon(place: MpsPlace) -> None:
    """Start the daemon of a place.

    Raises:
        MpsUnavailableError: the program is missing, may not be run, or refuses.
    """
    ended = _run(place.environment, "-d")
    if ended.returncode or not _answers(place.environment):
        said = (ended.stderr or ended.stdout or f"status {ended.returncode}").strip()
        raise MpsUnavailableError(f"{CONTROL} does not start: {said.splitlines()[0]}")


def daemon_already_here() -> Path | None:
    """Return the pipes of a daemon that this user may use and that runs already, started by the user or by root."""
    pipes = Path(os.environ.get(_PIPES, _AMBIENT_PIPES))
    try:
        ours = pipes.stat().st_uid in (0, os.getuid())
        return pipes if ours and _answers({_PIPES: str(pipes)}) else None
    except (OSError, MpsUnavailableError):
        return None


def end_daemon(place: MpsPlace) -> None:
    """End the daemon of a place, if there is one; one that the place only links to is left alone."""
    if place.pipes.is_symlink() or not daemons_of(place):
        return
    with contextlib.suppress(MpsUnavailableError):  # the program is gone; its processes are ended all the same
        _run(place.environment, instruction=_QUIT)
    if not _gone(place, _PATIENCE_S / 3):
        for process in daemons_of(place):
            process.kill()  # knows the start of its process, so a later one of the same id is safe
        _gone(place, _PATIENCE_S / 3)


def _gone(place: MpsPlace, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while found := bool(daemons_of(place)):
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return not found


def daemons_of(place: MpsPlace) -> list[psutil.Process]:
    """Return this user's processes of the service that belong to the place, by their own environment."""
    return [process for process in psutil.process_iter() if _belongs(process, place)]


def _belongs(process: psutil.Process, place: MpsPlace) -> bool:
    try:
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        programs = [Path(word).name for word in process.cmdline()[:2]]  # a script comes after its interpreter
        named = any(name.startswith(_PROCESSES) for name in programs)
        return named and process.environ().get(_PIPES) == str(place.pipes)
    except (psutil.Error, OSError):
        return False


def _answers(environment: Mapping[str, str]) -> bool:
    return _run(environment, instruction="get_server_list").returncode == 0


def _run(environment: Mapping[str, str], *arguments: str, instruction: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - NVIDIA's program, with words of ours
            [CONTROL, *arguments],
            input=f"{instruction}\n" if instruction else "",
            env={**_with_every_gpu(), **environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        raise MpsUnavailableError(f"{CONTROL} is not installed") from None
    except PermissionError:
        raise MpsUnavailableError(f"{CONTROL} may not be run by this user") from None
    except subprocess.TimeoutExpired:
        raise MpsUnavailableError(f"{CONTROL} does not answer") from None
    except OSError as error:
        raise MpsUnavailableError(f"{CONTROL} cannot be run: {error.strerror}") from error


def _with_every_gpu() -> dict[str, str]:
    """Return this process's environment without its choice of GPUs, which would number the daemon's GPUs anew."""
    return {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}


def process_started(pid: int) -> int | None:
    """Return when a process was started, in the kernel's ticks since boot; None if there is none, or only a zombie.

    Two processes of one id differ in it, and unlike a time of day it does not move with the clock.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
