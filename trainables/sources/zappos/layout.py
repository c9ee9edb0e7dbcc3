"""Locates the UT-Zappos50K files, and indexes the images by path and by CID."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IMAGE_FOLDERS = ("ut-zap50k-images", "ut-zap50k-images-square")
META_DATA = "meta-data.csv"
META_DATA_BINARY = "meta-data-bin.csv"
_HOMES = ("", "data", "ut-zap50k-data")
_IMAGE = re.compile(r"(?P<product>\d+)\.(?P<colour>\d+)\.(?:jpe?g|png)$", re.IGNORECASE)


@dataclass(frozen=True)
class ZapposTree:
    """The images below a folder, by normalised path and by CID (``productid-colorid``)."""

    folder: Path
    by_path: dict[str, str]
    by_cid: dict[str, str]


def find_file(root: Path, name: str) -> Path | None:
    """Return a file of the data set from the root, ``ut-zap50k-data/`` or ``data/``."""
    places = [root / home for home in _HOMES] + [root / "data" / "ut-zap50k-data"]
    return next((place / name for place in places if (place / name).is_file()), None)


def image_folders(root: Path) -> dict[str, Path]:
    """Return the existing image folders by name."""
    places = [(name, root / home / name) for name in IMAGE_FOLDERS for home in ("data", "")]
    return {name: place for name, place in places if place.is_dir()}


def choose_images(root: Path, chosen: str | None) -> Path:
    """Return the image folder: the chosen one, or the only one.

    Raises:
        ValueError: it does not exist, or there are two and the configuration chooses neither.
    """
    if not root.is_dir():
        raise ValueError(f"data.source.path: {root} is not a folder")
    found = image_folders(root)
    if chosen is None and len(found) == 2:
        raise ValueError(f"data.source.images: {root} holds {' and '.join(found)}; name one of them")
    name = chosen or next(iter(found), None)
    if name is None or name not in found:
        wanted = [chosen] if chosen else IMAGE_FOLDERS
        raise ValueError(f"{root}: the images are missing; looked for {', '.join(f'{w}/, data/{w}/' for w in wanted)}")
    return found[name]


def cid_of(path: str) -> str | None:
    """Return ``productid-colorid`` of an image path, None if its name has another form."""
    found = _IMAGE.search(path.rpartition("/")[2])
    return f"{found['product']}-{found['colour']}" if found else None


def normalised(path: str) -> str:
    """Return a path with ``%2E`` replaced by ``.``: the lists spell some brands with one, the disk with the other."""
    return re.sub("%2e", ".", path.strip().replace("\\", "/"), flags=re.IGNORECASE).removeprefix("./")


def read_tree(folder: Path) -> ZapposTree:
    """Return all images below a folder (``Category/SubCategory/Brand/productid.colorid.jpg``).

    Raises:
        ValueError: no image, or two images of one CID.
    """
    by_path: dict[str, str] = {}
    by_cid: dict[str, str] = {}
    for place in sorted(folder.rglob("*.*")):
        name = place.relative_to(folder).as_posix()
        cid = cid_of(name)
        if cid is None or place.is_dir():
            continue
        if cid in by_cid:
            raise ValueError(f"{folder}: {name} and {by_cid[cid]} both have CID {cid}; a CID must have one image")
        by_cid[cid] = by_path[normalised(name)] = name
    if not by_cid:
        raise ValueError(f"{folder}: no image called productid.colorid.jpg in it or below")
    return ZapposTree(folder, by_path, by_cid)
