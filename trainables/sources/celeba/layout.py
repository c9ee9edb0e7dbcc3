"""Locates the CelebA files: as downloaded, in torchvision's layout, or in mirrors with CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.sources.reading.image_files import FolderFiles, ImageFiles, ZipFiles

_IMAGES = "img_align_celeba"
_HOMES = ("", "celeba", "CelebA")
_ATTRIBUTES = ("Anno/list_attr_celeba.txt", "list_attr_celeba.txt", "list_attr_celeba.csv")
_PARTITIONS = ("Eval/list_eval_partition.txt", "list_eval_partition.txt", "list_eval_partition.csv")
_IDENTITIES = ("Anno/identity_CelebA.txt", "identity_CelebA.txt", "identity_CelebA.csv")
_FOLDERS = (f"Img/{_IMAGES}/{_IMAGES}", f"Img/{_IMAGES}", f"{_IMAGES}/{_IMAGES}", _IMAGES)
_ARCHIVES = (f"Img/{_IMAGES}.zip", f"{_IMAGES}.zip")


@dataclass(frozen=True)
class CelebaLayout:
    """The files found; ``identities`` is None if they were not downloaded."""

    attributes: Path
    partition: Path
    identities: Path | None
    images: Path

    def open_images(self) -> ImageFiles:
        """Return the aligned images from the folder or the archive."""
        if self.images.suffix == ".zip":
            return ZipFiles(self.images, f"{_IMAGES}/")
        return FolderFiles(self.images)


def find_celeba(folder: Path) -> CelebaLayout:
    """Return the CelebA files below a folder.

    Raises:
        ValueError: no such folder, or a file is missing; the message lists the places searched.
    """
    if not folder.is_dir():
        raise ValueError(f"data.source.path: {folder} is not a folder")
    home = next((place for name in _HOMES if _first(place := folder / name, _ATTRIBUTES)), folder)
    attributes, partition = _needed(home, "attributes", _ATTRIBUTES), _needed(home, "partition", _PARTITIONS)
    images = next((home / name for name in _FOLDERS if (home / name).is_dir() and _has_files(home / name)), None)
    images = images or _first(home, _ARCHIVES)
    if images is None:
        places = ", ".join((*(f"{name}/*.jpg" for name in _FOLDERS), *_ARCHIVES))
        raise ValueError(f"{home}: the aligned images are missing; looked for {places}")
    return CelebaLayout(attributes, partition, _first(home, _IDENTITIES), images)


def is_celeba(folder: Path) -> bool:
    """Return whether a folder contains the CelebA attributes."""
    return any(_first(folder / home, _ATTRIBUTES) for home in _HOMES)


def _first(home: Path, names: Sequence[str]) -> Path | None:
    return next((home / name for name in names if (home / name).is_file()), None)


def _needed(home: Path, what: str, names: Sequence[str]) -> Path:
    found = _first(home, names)
    if found is None:
        homes = f" (also in {' and '.join(name for name in _HOMES if name)})" if what == "attributes" else ""
        raise ValueError(f"{home}: the CelebA {what} are missing; looked for {', '.join(names)}{homes}")
    return found


def _has_files(folder: Path) -> bool:
    return any(path.suffix.lower() in (".jpg", ".jpeg", ".png") for path in folder.iterdir())
