"""Hashes of image files, cached by file size and modification time so that each file is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trainables.foundation.files import write_atomically
from trainables.foundation.locks.lock import locked
from trainables.foundation.sealed_json import is_sealed, read_object, seal
from trainables.sources.reading.decoding import decoding_pool
from trainables.sources.reading.image_files import ImageFiles, Stamp

HASHES_FOLDER = "image-hashes-v1"
MISSING = ""
"""Replaces the hash of a file that is missing or unreadable."""

_Known = dict[str, tuple[int, int, str]]


def content_hashes(files: ImageFiles, names: Sequence[str], cache: Path | None) -> list[str]:
    """Return the BLAKE2b hash of each file's bytes, ``MISSING`` for a missing file.

    A file whose size and modification time are unchanged is not read again.

    Args:
        files: the location of the files.
        names: the files to hash.
        cache: the folder of the cached hashes; None reads every file.
    """
    stamps = {name: files.stamp(name) for name in names}
    if cache is None:
        return _look_up(files, names, stamps, {})[0]
    place = hashlib.blake2b(str(files.place).encode(), digest_size=16).hexdigest()
    path = cache / HASHES_FOLDER / f"{place}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")):  # of several processes that start together, only one reads the images
        known = _read(path)
        found, news = _look_up(files, names, stamps, known)
        if news:
            write_atomically(path, lambda file: file.write(seal({"files": known | news}).encode()))
    return found


def _look_up(
    files: ImageFiles, names: Sequence[str], stamps: dict[str, Stamp | None], known: _Known
) -> tuple[list[str], _Known]:
    unknown = [name for name, stamp in stamps.items() if stamp is not None and known.get(name, ())[:2] != stamp]
    with decoding_pool() as pool:
        hashes = pool.map(lambda name: _hash(files, name), unknown, chunksize=64)
        read = dict(zip(unknown, hashes, strict=True))
    news: _Known = {name: (*stamp, read[name]) for name in unknown if (stamp := stamps[name]) and read[name]}
    found = []
    for name in names:
        if stamps[name] is None:
            found.append(MISSING)
        else:
            found.append(read[name] if name in read else known[name][2])
    return found, news


def _hash(files: ImageFiles, name: str) -> str:
    try:
        return hashlib.blake2b(files.read(name), digest_size=16).hexdigest()
    except OSError:  # decoding will report the image as corrupt
        return MISSING


def _read(path: Path) -> _Known:
    try:
        text = path.read_bytes()
        known = read_object(text)["files"] if is_sealed(text) else {}
        return {name: (entry[0], entry[1], entry[2]) for name, entry in known.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError, AttributeError):  # damaged: this is only a cache, so rebuild it
        return {}
