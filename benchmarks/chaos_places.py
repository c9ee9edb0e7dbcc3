"""Where the runs of ``benchmarks.chaos`` are kept: a folder on a disk that can be full, or a bucket that can fail."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

from benchmarks.s3_server import S3Server, s3_server
from study.layout import RunFolder

STUDY_NAME = "chaos"
_FAULT_S = 4.0
_LATE_S = 0.5
_ANSWERS = 400  # more than the requests of a fault's time, of which every third fails

_FILES = {
    "journals": "*/trials/*.jsonl",
    "rounds": "*/rounds*.jsonl",
    "checkpoints": "*/trials/*checkpoint.pt",
    "weights": "*/trials/*weights.safetensors",
    "plan": "*/plan.json",
}
"""What may be damaged between two runs, by name; in these patterns a star stands for folders, too."""

Fault = Callable[[], bool]
"""Does something to the place; returns whether it could."""


class Place(Protocol):
    """Where runs are kept, under numbers."""

    def runs(self, number: int) -> str:
        """Return the ``--runs-dir`` of a run."""

    def folder(self, number: int) -> RunFolder:
        """Return a folder with the tables of a complete run."""

    def faults(self) -> Mapping[str, Fault]:
        """Return what can befall the place while a study runs."""

    def damage(self, chance: random.Random) -> str:
        """Tear or flip a file of a run; return what was done, empty if there is no such file."""


def damaged(content: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Return what was done, and content that is torn in its second half, or has one bit flipped."""
    if chance.random() < 0.5:
        return "torn", content[: chance.randrange(len(content) // 2, len(content))]
    place = chance.randrange(len(content))
    flipped = bytearray(content)
    flipped[place] ^= 1 << chance.randrange(8)
    return "flipped bit in", bytes(flipped)


@dataclass(frozen=True)
class Disk:
    """A folder on this machine.

    Attributes:
        path: The folder.
        small: Whether it is a small file system of its own, which can be filled.
        cache: The folder of decoded images, whose files may be damaged too.
    """

    path: Path
    small: bool
    cache: Path

    def runs(self, number: int) -> str:
        """Return the ``--runs-dir`` of a run."""
        return str(self.path / f"run-{number}")

    def folder(self, number: int) -> RunFolder:
        """Return a folder with the tables of a complete run."""
        return RunFolder(Path(self.runs(number)) / STUDY_NAME)

    def faults(self) -> Mapping[str, Fault]:
        """Return what can befall it."""
        return {"full disk": self._fill} if self.small else {}

    def damage(self, chance: random.Random) -> str:
        """Tear or flip a file of a run."""
        kind = chance.choice([*_FILES, "caches"])
        every = self.cache.glob("*/*") if kind == "caches" else self.path.rglob("*")
        files = sorted(path for path in every if path.is_file() and path.stat().st_size > 1 and path.suffix != ".lock")
        if kind != "caches":
            files = [path for path in files if fnmatch(str(path), _FILES[kind])]
        if not files:
            return ""
        path = chance.choice(files)
        done, content = damaged(path.read_bytes(), chance)
        path.write_bytes(content)
        return f"{done} {kind}"

    def _fill(self) -> bool:
        """The disk is full for a moment."""
        ballast = self.path / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 65536):
                pass
        time.sleep(_FAULT_S)
        ballast.unlink(missing_ok=True)
        return True


@dataclass(frozen=True)
class Bucket:
    """A bucket of a server.

    Attributes:
        server: That may fail.
        system: By which its objects are reached.
        scratch: A folder for what is fetched.
    """

    server: S3Server
    system: Any
    scratch: Path

    def runs(self, number: int) -> str:
        """Return the ``--runs-dir`` of a run."""
        return f"s3://{STUDY_NAME}/run-{number}"

    def folder(self, number: int) -> RunFolder:
        """Return a folder with the tables of a complete run."""
        fetched = self.scratch / f"fetched-{number}"
        (fetched / "tables").mkdir(parents=True, exist_ok=True)
        self.system.invalidate_cache()
        self.system.get(f"{self.runs(number)}/{STUDY_NAME}/tables/", f"{fetched}/tables/", recursive=True)
        return RunFolder(fetched)

    def faults(self) -> Mapping[str, Fault]:
        """Return what can befall it."""
        return {"S3 server that answers 500": self._fail, "slow S3 server": self._delay}

    def damage(self, chance: random.Random) -> str:
        """Tear or flip a file of a run."""
        kind = chance.choice(list(_FILES))
        self.system.invalidate_cache()
        objects = sorted(name for name in self.system.find(STUDY_NAME) if fnmatch(f"/{name}", _FILES[kind]))
        if not objects:
            return ""
        name = chance.choice(objects)
        content = self.system.cat_file(name)
        if len(content) < 2:
            return ""
        done, content = damaged(content, chance)
        self.system.pipe_file(name, content)
        return f"{done} {kind} in S3"

    def _fail(self) -> bool:
        """Every third request fails for a moment."""
        self.server.answers[:] = [500 if number % 3 == 0 else 200 for number in range(_ANSWERS)]
        time.sleep(_FAULT_S)
        self.server.answers.clear()
        return True

    def _delay(self) -> bool:
        """Answers are late for a moment."""
        self.server.delay_s = _LATE_S
        time.sleep(_FAULT_S)
        self.server.delay_s = 0.0
        return True


@contextmanager
def bucket_of(scratch: Path) -> Iterator[Bucket]:
    """Serve a bucket while the block runs."""
    import s3fs

    with s3_server() as server:
        system = s3fs.S3FileSystem(use_listings_cache=False)
        system.mkdir(STUDY_NAME)
        yield Bucket(server, system, scratch)


@contextmanager
def disk_of(path: Path, megabytes: int, cache: Path) -> Iterator[Disk]:
    """Mount a file system of this size at ``path`` while the block runs; where that is not allowed, use a folder."""
    path.mkdir(parents=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    mounted = mount is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield Disk(path, mounted, cache)
    finally:
        if mounted:
            subprocess.run([umount or "umount", "--lazy", str(path)], check=True)
