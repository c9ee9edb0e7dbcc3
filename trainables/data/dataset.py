"""Images and labels as every trial reads them: memory-mapped arrays, opened from a cache folder."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.duplicates import DuplicateImages
from trainables.data.source import SPLITS, CorruptImage, Labels, Pixels

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Split:
    """``images`` uint8 (N, H, W, 3) and ``labels`` int64 (N, T), -1 where unlabelled; both read-only memory maps.

    ``triplets``: published lists (M, 3) of rows (anchor, positive, negative) by task; empty where there are none.
    """

    images: Pixels
    labels: Labels
    triplets: Mapping[str, Labels] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The splits of one data set. A label of task ``tasks[t]`` is an index into ``classes[tasks[t]]``.

    ``corrupt`` names the images that were dropped, as ``file, row 3`` or ``file, line 5``.
    """

    splits: dict[str, Split]
    tasks: tuple[str, ...]
    classes: dict[str, tuple[str, ...]]
    corrupt: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """What a cache folder holds: tasks with their classes, images kept per split, dropped (and why), and twice there.

    ``triplets``: of published lists, how many are kept by split and task; ``triplets_dropped``: how many named a
    dropped image.
    """

    fingerprint: str
    classes: dict[str, tuple[str, ...]]
    images: dict[str, int]
    corrupt: tuple[CorruptImage, ...]
    duplicates: DuplicateImages
    software: dict[str, str]
    triplets: dict[str, dict[str, int]] = field(default_factory=dict)
    triplets_dropped: int = 0

    @property
    def corrupt_share(self) -> float:
        """The share of all images, over all splits, that could not be decoded."""
        return len(self.corrupt) / max(1, len(self.corrupt) + sum(self.images.values()))

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read what ``write`` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["classes"] = {task: tuple(names) for task, names in fields["classes"].items()}
        fields["corrupt"] = tuple(CorruptImage(**image) for image in fields["corrupt"])
        fields["duplicates"] = DuplicateImages.from_plain(fields["duplicates"])
        return cls(**fields)


def images_file(folder: Path, split: str) -> Path:
    """Return the place of a split's images in a cache folder."""
    return folder / f"{split}-images.npy"


def labels_file(folder: Path, split: str) -> Path:
    """Return the place of a split's labels in a cache folder."""
    return folder / f"{split}-labels.npy"


def triplets_file(folder: Path, split: str) -> Path:
    """Return the place of a split's published triplets in a cache folder, an array a task."""
    return folder / f"{split}-triplets.npz"


def open_dataset(folder: Path, manifest: Manifest, tasks: Sequence[str]) -> Dataset:
    """Memory-map the arrays of a complete cache folder.

    Raises:
        ValueError: a file was removed or cut after the folder was built.
    """
    splits = {}
    for split in SPLITS:
        try:
            images = np.load(images_file(folder, split), mmap_mode="r", allow_pickle=False)
            labels = np.load(labels_file(folder, split), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder}: the cached images are damaged ({error}); delete this folder") from error
        splits[split] = Split(images, labels, _read_triplets(folder, split, manifest))
    corrupt = tuple(str(image) for image in manifest.corrupt)
    return Dataset(splits, tuple(tasks), manifest.classes, corrupt, manifest.fingerprint)


def _read_triplets(folder: Path, split: str, manifest: Manifest) -> dict[str, Labels]:
    counts = manifest.triplets.get(split, {})
    if not counts:
        return {}
    try:
        with np.load(triplets_file(folder, split), allow_pickle=False) as stored:
            found: dict[str, Labels] = {task: stored[task] for task in counts}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{folder}: the cached triplets are damaged ({error}); delete this folder") from error
    return found
