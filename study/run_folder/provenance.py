"""What each run of a study was started with: command, code, packages, machine. A line a run in ``provenance.jsonl``.

It describes results and never decides anything, so a damaged line is left out.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from study.definition.secrets import redact
from study.layout import RunFolder

_LONGEST_DIFF = 200_000
_GIT_SECONDS = 20


@with_config(ConfigDict(strict=True))
@dataclass(frozen=True)
class Start:
    """The start of one run.

    Attributes:
        time: of the start, in unix seconds.
        command: as typed; empty outside a command line.
        version: of this package.
        commit: of the code, where it runs from a git checkout.
        diff: local changes of the code against the commit, cut after 200,000 characters.
        untracked: number of files of the code that git does not know.
        packages: installed packages with their versions.
        host: name of the machine.
        machine: its hardware in words, by part.
    """

    time: float
    command: str
    version: str
    commit: str | None
    diff: str
    untracked: int
    packages: dict[str, str]
    host: str
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def lock(self) -> str:
        """A fingerprint of the packages with their versions."""
        listed = "\n".join(f"{name}=={version}" for name, version in sorted(self.packages.items()))
        return hashlib.blake2b(listed.encode(), digest_size=8).hexdigest()


_START = TypeAdapter(Start)


def note_start(folder: RunFolder) -> None:
    """Append a line about this process to the run's ``provenance.jsonl``."""
    line = json.dumps(asdict(_this_start()), ensure_ascii=True)
    with folder.provenance.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def read_starts(folder: RunFolder) -> tuple[Start, ...]:
    """Return the starts of a run in order; none for runs of earlier versions."""
    try:
        lines = folder.provenance.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    return tuple(start for line in lines if (start := _parsed(line)) is not None)


def _parsed(line: bytes) -> Start | None:
    try:
        return _START.validate_json(line)
    except ValidationError:
        return None


def _is_our_command(program: Path) -> bool:
    return program.name == "modstudy" or program.parts[-2:] == ("study", "__main__.py")


def _this_start() -> Start:
    installed = {str(one.metadata["Name"]): one.version for one in importlib.metadata.distributions()}
    code = Path(__file__).parents[2]
    commit = _git(code, "rev-parse", "HEAD")
    return Start(
        time.time(),
        redact(shlex.join(["modstudy", *sys.argv[1:]])) if _is_our_command(Path(sys.argv[0])) else "",
        installed.get("modulation-study", "unknown"),
        commit.strip() if commit else None,
        redact((_git(code, "diff", "HEAD", "--", *_PACKAGES) or "")[:_LONGEST_DIFF]) if commit else "",
        len((_git(code, "ls-files", "--others", "--exclude-standard", "--", *_PACKAGES) or "").splitlines()),
        dict(sorted(installed.items(), key=lambda item: item[0].lower())),
        socket.gethostname(),
        _machine(),
    )


_PACKAGES = ("study", "trainables", "search_spaces", "results")


def _git(code: Path, *arguments: str) -> str | None:
    """Return what git says about the checkout that the code runs from; None if it is none, or git is not there."""
    git = shutil.which("git")
    if git is None or not (code / ".git").exists():
        return None
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        said = subprocess.run(  # noqa: S603 - git, with fixed arguments
            [git, "-C", str(code), *arguments],
            capture_output=True,
            check=True,
            timeout=_GIT_SECONDS,
            env=environment,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return said.stdout.decode(errors="replace")


def _machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": platform.platform(terse=True),
    }


def _processor() -> str:
    """Return the model of the processor as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
