"""Decode once: a folder named by the fingerprint of the data, built by one process, memory-mapped by all.

The folder is built beside its final place and renamed when complete, so it exists whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock

from trainables.config import DataConfig, GeneratedFaces
from trainables.data.dataset import MANIFEST, Dataset, Manifest, images_file, labels_file, open_dataset
from trainables.data.source import SPLITS, CorruptImage, ImageSource

CACHE_FOLDER = "datasets-v1"
"""Below the cache; the number is raised when the files in it change their layout."""

_NAMED_CORRUPT = 5

logger = logging.getLogger(__name__)


def data_fingerprint(data: DataConfig, data_seed: int) -> str:
    """Return 32 hexadecimal digits that change when pixels or labels would, and with nothing else.

    Covered are the bytes of the files, image size, fit, tasks in their order and the decoder's version; for drawn
    faces the settings, the generator's version and ``data_seed``. The place of the files is not.

    Raises:
        ValueError: files, columns or tasks do not fit together.
    """
    return _fingerprint(_open_source(data, data_seed))


def require_fingerprint(data: DataConfig, data_seed: int, expected: str) -> None:
    """Check that the data at hand is the data a trial was planned on; a node may hold other files at the same path.

    Raises:
        ValueError: it is not, or files, columns or tasks do not fit together.
    """
    found = data_fingerprint(data, data_seed)
    if found != expected:
        where = getattr(data.source, "path", data.source.kind)
        raise ValueError(f"{where}: the data here has fingerprint {found}, but the trial was planned on {expected}")


def prepare_dataset(data: DataConfig, data_seed: int, cache: Path) -> Dataset:
    """Return the data set, decoded under ``cache`` by the first caller on the node and memory-mapped by every one.

    Raises:
        ValueError: files, columns or tasks do not fit together; more images than ``max_corrupt_share`` are corrupt,
            or a split is left without any.
        OSError: the disk is full; nothing is left behind.
    """
    folder, manifest = build_if_missing(data, data_seed, cache)
    _check_corrupt_share(manifest, data.max_corrupt_share)
    return open_dataset(folder, manifest, data.tasks)


def build_if_missing(data: DataConfig, data_seed: int, cache: Path) -> tuple[Path, Manifest]:
    """Return the cache folder of the data and its manifest, after building it if nobody has."""
    source = _open_source(data, data_seed)
    fingerprint = _fingerprint(source)
    folder = cache / CACHE_FOLDER / fingerprint
    if not (folder / MANIFEST).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not (folder / MANIFEST).is_file():  # another process may have built it while this one waited
                _build(source, data, fingerprint, folder)
    return folder, Manifest.read(folder / MANIFEST)


def _open_source(data: DataConfig, data_seed: int) -> ImageSource:
    # Imported here so that drawn faces need no pyarrow, and Parquet files no drawing.
    if isinstance(data.source, GeneratedFaces):
        from trainables.data.faces.generator import FaceSource

        return FaceSource(data, data.source, data_seed)
    from trainables.data.parquet import ParquetSource

    return ParquetSource(data, data.source)


def _fingerprint(source: ImageSource) -> str:
    text = json.dumps(source.identity(), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _build(source: ImageSource, data: DataConfig, fingerprint: str, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a builder that was killed; the lock says nobody is at work
    shutil.rmtree(folder, ignore_errors=True)  # without a manifest: somebody removed it by hand
    partial.mkdir()
    try:
        images, corrupt = {}, []
        for split in SPLITS:
            images[split], dropped = _write_split(source, split, data.image_size, partial)
            corrupt += dropped
            logger.info("%s: %d images decoded, %d corrupt", split, images[split], len(dropped))
        software = {"pillow": importlib.metadata.version("pillow")}
        Manifest(fingerprint, source.classes(), images, tuple(corrupt), software).write(partial / MANIFEST)
        for path in partial.iterdir():
            _flush_to_disk(path)
        partial.rename(folder)
    except BaseException:  # a full disk, Ctrl-C: whatever ended the build, no half of it stays
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_split(source: ImageSource, split: str, image_size: int, folder: Path) -> tuple[int, list[CorruptImage]]:
    """Stream a split into its two arrays; the images are appended, so a full disk is an error and not a crash."""
    labels = source.labels(split)
    _check_free_space(folder, len(labels) * image_size * image_size * 3)
    kept = np.ones(len(labels), dtype=bool)
    corrupt = []
    with images_file(folder, split).open("w+b") as file:
        start = _write_header(file, (len(labels), image_size, image_size, 3))
        for row, image in enumerate(source.images(split)):
            if isinstance(image, CorruptImage):
                kept[row] = False
                corrupt.append(image)
            else:
                file.write(np.ascontiguousarray(image).data)
        file.seek(0)
        if _write_header(file, (int(kept.sum()), image_size, image_size, 3)) != start:
            raise AssertionError("the header of an array must not grow when images are dropped")
    np.save(labels_file(folder, split), labels[kept], allow_pickle=False)
    return int(kept.sum()), corrupt


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Write the header of a C-ordered uint8 ``.npy`` file (NumPy pads it for a first axis of any length)."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"the decoded images need {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
        raise OSError(errno.ENOSPC, message, str(folder.parent))


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _check_corrupt_share(manifest: Manifest, limit: float) -> None:
    share = manifest.corrupt_share
    first = "; ".join(f"{image} ({image.reason})" for image in manifest.corrupt[:_NAMED_CORRUPT])
    if share > limit:
        raise ValueError(
            f"data.max_corrupt_share: {len(manifest.corrupt)} images cannot be decoded, a share of {share:.4g} "
            f"where {limit:.4g} is allowed; the first: {first}"
        )
    for split, count in manifest.images.items():
        if not count:
            raise ValueError(
                f"split {split!r} has no image that can be decoded{f'; the first: {first}' if first else ''}"
            )
