"""The cache of decoded images: a folder named by the fingerprint of the data, built once, memory-mapped by all trials.

The folder is built under a temporary name and renamed when complete, so it is never partial. Its manifest contains the
checksums of all files, which each process verifies once. A folder damaged later is rebuilt; processes that have mapped
the old files keep them.
"""

from __future__ import annotations

import errno
import importlib.metadata
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from trainables.config.data import DataConfig
from trainables.data.dataset import (
    MANIFEST,
    DamagedCacheError,
    Dataset,
    Manifest,
    images_file,
    labels_file,
    open_dataset,
    triplets_file,
)
from trainables.data.duplicates import find_duplicates, pixel_hash
from trainables.data.identity import checked_fingerprint, fingerprint_of_source, refuse_other_data
from trainables.foundation.files import file_checksum
from trainables.foundation.locks.lock import Held, locked
from trainables.sources.source import SPLITS, CorruptImage, ImageSource, Labels

CACHE_FOLDER = "datasets-v2"
"""The subfolder of the cache; increment the version when the layout of its files changes."""

_NAMED_CORRUPT = 5

logger = logging.getLogger(__name__)


def prepare_dataset(data: DataConfig, data_seed: int, cache: Path) -> Dataset:
    """Return the data set; the first caller on the node decodes it under ``cache``, and all callers memory-map it.

    A process that has checked the data against a plan (``require_fingerprint``) does not look at the source again.

    Raises:
        ValueError: files, columns and tasks are inconsistent; more images than ``max_corrupt_share`` are corrupt, more
            than ``max_duplicate_share`` appear in two splits, or a split has no images left; the data has changed since
            it was checked.
        OSError: the disk is full; the partial folder is removed.
    """
    checked = checked_fingerprint(data, data_seed, cache)
    try:
        manifest, dataset = _open_checked(checked, data, cache)
    except DamagedCacheError:  # or not decoded yet
        manifest, dataset = build_if_missing(data, data_seed, cache)
        refuse_other_data(data, dataset.fingerprint, checked or dataset.fingerprint)
    refuse_unfit(manifest, data)
    return dataset


def _open_checked(fingerprint: str | None, data: DataConfig, cache: Path) -> tuple[Manifest, Dataset]:
    if fingerprint is None:
        raise DamagedCacheError("the data has not been checked in this process")
    return _open(cache_folder(fingerprint, cache), data.tasks)


def cache_folder(fingerprint: str, cache: Path) -> Path:
    """Return the folder for the decoded images of this fingerprint."""
    return cache / CACHE_FOLDER / fingerprint


def build_if_missing(data: DataConfig, data_seed: int, cache: Path) -> tuple[Manifest, Dataset]:
    """Return the manifest and arrays of the data; build them first if they are missing or damaged."""
    source = data.open(data_seed, cache)
    fingerprint = fingerprint_of_source(source, data)
    folder = cache_folder(fingerprint, cache)
    try:
        return _open(folder, data.tasks)
    except DamagedCacheError:  # or not built yet
        folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")) as held:
        try:
            return _open(folder, data.tasks)  # another process may have built it during the wait
        except DamagedCacheError as damage:
            if folder.exists():
                logger.warning("%s; decoding the images again", damage)
        _build(source, data, fingerprint, folder, held)
        return _open(folder, data.tasks)


def _open(folder: Path, tasks: Sequence[str]) -> tuple[Manifest, Dataset]:
    manifest = Manifest.read(folder / MANIFEST)
    return manifest, open_dataset(folder, manifest, tasks)


def _build(source: ImageSource, data: DataConfig, fingerprint: str, folder: Path, held: Held) -> None:
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed builder; holding the lock, no other can be running
    partial.mkdir()
    try:
        splits: dict[str, _Written] = {}
        for split in SPLITS:
            splits[split] = _write_split(source, split, data.image_size, partial)
            held.require()
            logger.info("%s: %d images decoded, %d corrupt", split, splits[split].images, len(splits[split].corrupt))
        Manifest(
            fingerprint=fingerprint,
            classes=source.classes(),
            images={split: written.images for split, written in splits.items()},
            corrupt=tuple(image for written in splits.values() for image in written.corrupt),
            duplicates=find_duplicates({split: written.hashes for split, written in splits.items()}, source.name),
            software={"pillow": importlib.metadata.version("pillow")},
            triplets={split: written.triplets for split, written in splits.items() if written.triplets},
            triplets_dropped=sum(written.triplets_dropped for written in splits.values()),
            checksums={path.name: file_checksum(path) for path in sorted(partial.iterdir())},
        ).write(partial / MANIFEST)
        for path in partial.iterdir():
            _flush_to_disk(path)
        held.require()  # or another one builds under the same names
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or partly deleted
        partial.rename(folder)
    except BaseException:  # a full disk, Ctrl-C: remove the partial build whatever ended it
        if not held.lost:
            shutil.rmtree(partial, ignore_errors=True)
        raise


@dataclass(frozen=True)
class _Written:
    """The result of decoding a split: images kept (row in the source and pixel hash) and dropped, and triplets."""

    hashes: list[tuple[int, bytes]]
    corrupt: list[CorruptImage]
    triplets: dict[str, int]
    triplets_dropped: int

    @property
    def images(self) -> int:
        return len(self.hashes)


def _write_split(source: ImageSource, split: str, image_size: int, folder: Path) -> _Written:
    """Stream a split into its two arrays; images are appended, so a full disk raises an error instead of crashing."""
    labels = source.labels(split)
    _check_free_space(folder, len(labels) * image_size * image_size * 3)
    kept = np.ones(len(labels), dtype=bool)
    corrupt, hashes = [], []
    with images_file(folder, split).open("w+b") as file:
        start = _write_header(file, (len(labels), image_size, image_size, 3))
        for row, image in enumerate(source.images(split)):
            if isinstance(image, CorruptImage):
                kept[row] = False
                corrupt.append(image)
            else:
                pixels = np.ascontiguousarray(image)
                file.write(pixels.data)
                hashes.append((row, pixel_hash(pixels)))
        file.seek(0)
        if _write_header(file, (int(kept.sum()), image_size, image_size, 3)) != start:
            raise AssertionError("the header of an array must not grow when images are dropped")
    np.save(labels_file(folder, split), labels[kept], allow_pickle=False)
    triplets, dropped = _keep_triplets(source.triplets(split), kept)
    if triplets:
        np.savez(triplets_file(folder, split), **triplets)  # type: ignore[arg-type] # a task name is no other argument
    return _Written(hashes, corrupt, {task: len(found) for task, found in triplets.items()}, dropped)


def _keep_triplets(triplets: Mapping[str, Labels], kept: NDArray[np.bool_]) -> tuple[dict[str, Labels], int]:
    """Return the triplets whose images are all kept, renumbered to kept rows, and the number of other triplets."""
    new_row = np.cumsum(kept) - 1
    whole = {task: found[kept[found].all(axis=1)] for task, found in triplets.items()}
    dropped = sum(len(found) - len(whole[task]) for task, found in triplets.items())
    return {task: new_row[found] for task, found in whole.items()}, dropped


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> int:
    """Write the header of a C-ordered uint8 ``.npy`` file (NumPy pads it for a first axis of any length)."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        message = f"the decoded images need {needed / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free"
        raise OSError(errno.ENOSPC, message, str(folder.parent))


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def prepared_manifest(fingerprint: str, cache: Path) -> Manifest | None:
    """Return the manifest of the decoded images; None if they have not been decoded on this node."""
    try:
        return Manifest.read(cache_folder(fingerprint, cache) / MANIFEST)
    except DamagedCacheError:  # or not there
        return None


def refuse_unfit(manifest: Manifest, data: DataConfig) -> None:
    """Check what is known only after decoding.

    Raises:
        ValueError: too many images are corrupt or appear in two splits, or a split has no images.
    """
    _check_corrupt_share(manifest, data.max_corrupt_share)
    if excess := manifest.duplicates.excess(data.max_duplicate_share):
        raise ValueError(excess)


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
