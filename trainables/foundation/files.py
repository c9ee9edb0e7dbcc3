"""Files: hashes and checksums of their content, and atomic writing."""

from __future__ import annotations

import functools
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 2**20

_listeners: list[Callable[[Path], None]] = []
_gates: list[tuple[Path, Callable[[], None]]] = []


def file_hash(path: Path) -> str:
    """Return the BLAKE2b hash of a file's bytes, cached per process while size and modification time do not change."""
    status = path.stat()
    return _hash_once(path.resolve(), status.st_size, status.st_mtime_ns)


def bytes_hash(content: bytes) -> str:
    """Return the ``file_hash`` of a file with these bytes."""
    return hashlib.blake2b(content).hexdigest()[:32]


def file_checksum(path: Path) -> str:
    """Return the CRC-32 of a file's bytes, cached per process while the file does not change.

    Use it to detect damage, not as an identity. It is four times as fast as BLAKE2b, which matters because each worker
    checks gigabytes of decoded images.
    """
    status = path.stat()
    return _checksum_once(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], writer: str = "") -> None:
    """Write a file under a temporary name in the same folder, flush it to disk and rename it.

    Readers of ``path`` see either the old content or the new, even after a crash or a power failure.

    Args:
        path: The file; its folder is created.
        write: Writes the content.
        writer: Identifies this process where several may write the file at the same time.

    Raises:
        OSError: The disk is full, or another process has taken over the folder (``gated``); names the file. The old
            content remains and the partial file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path, writer)
    ask_leave(path)
    try:
        with naming(path):
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            ask_leave(path)
            temporary.replace(path)
    except BaseException:  # a full disk: free the space of the partial file
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)
    _tell(path)


def rename(path: Path, to: Path) -> None:
    """Give a file another name, replacing the file of that name."""
    ask_leave(to)
    path.replace(to)
    _tell(to)


@contextmanager
def gated(folder: Path, gate: Callable[[], None]) -> Iterator[None]:
    """Call ``gate`` before anything is written below a folder in the block; what it raises is raised to the writer."""
    entry = (folder.resolve(), gate)
    _gates.append(entry)
    try:
        yield
    finally:
        _gates.remove(entry)


def ask_leave(path: Path) -> None:
    """Ask the gates of the folders that a file is in whether it may be written."""
    if _gates:
        place = path.resolve()
        for folder, gate in tuple(_gates):
            if place.is_relative_to(folder):
                gate()


@contextmanager
def told_of_files(listener: Callable[[Path], None]) -> Iterator[None]:
    """Call ``listener`` with the path of each file that ``write_atomically`` or ``rename`` has completed in the block.

    What it raises is raised to the writer.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell(path: Path) -> None:
    for listener in _listeners:
        listener(path)


def write_text_atomically(path: Path, text: str) -> None:
    """Write text as ``write_atomically`` does; other processes may write the same file.

    Raises:
        OSError: The disk is full; names the file. The old content remains and the partial file is removed.
    """
    write_atomically(path, lambda file: file.write(text.encode()), writer=str(os.getpid()))


def temporary_path(path: Path, writer: str = "") -> Path:
    """Return the name ``write_atomically`` uses: fixed, so that the leftover of a crash is overwritten later."""
    return path.with_name(f".{path.name}.{writer}.tmp" if writer else f".{path.name}.tmp")


def remove_leftovers(folder: Path, *names: str) -> None:
    """Delete what killed writers of files of these names left; nobody may be writing one of them.

    Args:
        folder: Where they are; need not exist.
        names: Of the files, in which ``*`` stands for any text.
    """
    for name in names:
        for path in folder.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the file to system errors: ``write`` and ``fsync`` do not report it."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@functools.lru_cache(maxsize=1024)
def _hash_once(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


@functools.lru_cache(maxsize=1024)
def _checksum_once(path: Path, _inode: int, _size: int, _changed: int) -> str:
    checksum, chunk = 0, bytearray(_CHUNK_BYTES)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(chunk):
            checksum = zlib.crc32(memoryview(chunk)[:count], checksum)
    return f"{checksum:08x}"
