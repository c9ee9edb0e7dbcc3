"""Images and labels as trials read them: memory-mapped arrays from a cache folder."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from trainables.data.duplicates import DuplicateImages
from trainables.foundation.files import file_checksum
from trainables.foundation.sealed_json import is_sealed, read_object, seal
from trainables.sources.source import SPLITS, CorruptImage, Labels, Pixels

MANIFEST = "manifest.json"


class DamagedCacheError(ValueError):
    """A cache folder is missing or damaged; it can be rebuilt."""


@dataclass(frozen=True)
class Split:
    """``images`` uint8 (N, H, W, 3) and ``labels`` int64 (N, T), -1 if unlabelled; both read-only memory maps.

    ``triplets``: published triplets by task, (M, 3) rows of anchor, positive, negative; empty if there are none.
    """

    images: Pixels
    labels: Labels
    triplets: Mapping[str, Labels] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The splits of one data set. A label of task ``tasks[t]`` is an index into ``classes[tasks[t]]``.

    ``corrupt`` lists the dropped images, as ``file, row 3`` or ``file, line 5``.
    """

    splits: dict[str, Split]
    tasks: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]
    corrupt: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """The contents of a cache folder: tasks, classes, and images kept per split, dropped (and why) and duplicated.

    ``triplets``: number of published triplets kept, by split and task; ``triplets_dropped``: number that refer to a
    dropped image. ``checksums``: of the other files in the folder, by name.
    """

    fingerprint: str
    classes: dict[str, tuple[str, ...]]
    images: dict[str, int]
    corrupt: tuple[CorruptImage, ...]
    duplicates: DuplicateImages
    software: dict[str, str]
    triplets: dict[str, dict[str, int]] = field(default_factory=dict)
    triplets_dropped: int = 0
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def corrupt_share(self) -> float:
        """The share of images over all splits that could not be decoded."""
        return len(self.corrupt) / max(1, len(self.corrupt) + sum(self.images.values()))

    def write(self, path: Path) -> None:
        """Write as JSON with a checksum."""
        path.write_text(seal(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a file written by ``write``.

        Raises:
            DamagedCacheError: the file is missing or damaged.
        """
        try:
            text = path.read_bytes()
            fields = read_object(text)
            fields["classes"] = {task: tuple(names) for task, names in fields["classes"].items()}
            fields["corrupt"] = tuple(CorruptImage(**image) for image in fields["corrupt"])
            fields["duplicates"] = DuplicateImages.from_dict(fields["duplicates"])
            manifest = cls(**fields)
        except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedCacheError(f"{path}: {error or type(error).__name__}") from error
        if not is_sealed(text):
            raise DamagedCacheError(f"{path}: no checksum")
        return manifest


def images_file(folder: Path, split: str) -> Path:
    """Return the path of a split's images in a cache folder."""
    return folder / f"{split}-images.npy"


def labels_file(folder: Path, split: str) -> Path:
    """Return the path of a split's labels in a cache folder."""
    return folder / f"{split}-labels.npy"


def triplets_file(folder: Path, split: str) -> Path:
    """Return the path of a split's published triplets in a cache folder; the file has one array per task."""
    return folder / f"{split}-triplets.npz"


def open_dataset(folder: Path, manifest: Manifest, tasks: Sequence[str]) -> Dataset:
    """Memory-map the arrays of a cache folder after verifying the checksum of each file.

    Each process reads an unchanged file only once for this.

    Raises:
        DamagedCacheError: a file was removed or changed after the folder was built.
    """
    try:
        for name, checksum in manifest.checksums.items():
            if file_checksum(folder / name) != checksum:
                raise DamagedCacheError(f"{folder / name}: the checksum does not match")
        splits = {split: _open_split(folder, split, manifest) for split in SPLITS}
    except (FileNotFoundError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedCacheError(f"{folder}: the cached images are damaged ({error})") from error
    corrupt = tuple(str(image) for image in manifest.corrupt)
    return Dataset(splits, tuple(tasks), manifest.classes, corrupt, manifest.fingerprint)


def _open_split(folder: Path, split: str, manifest: Manifest) -> Split:
    images = np.load(images_file(folder, split), mmap_mode="r", allow_pickle=False)
    labels = np.load(labels_file(folder, split), mmap_mode="r", allow_pickle=False)
    triplets: dict[str, Labels] = {}
    if counts := manifest.triplets.get(split):
        with np.load(triplets_file(folder, split), allow_pickle=False) as stored:
            triplets = {task: stored[task] for task in counts}
    return Split(images, labels, triplets)
