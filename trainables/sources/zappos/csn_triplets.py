"""The triplet lists released with CSN (Veit, Belongie, Karaletsos, CVPR 2017) for UT-Zappos50K.

Despite its name, ``filenames.json`` is not JSON but one image path per line. Each line of
``tripletlists/TASK_tripletlist_SPLIT.txt`` holds three of its line numbers, counted from 0: anchor, far, close
(``triplet_image_loader.py``). This project orders triplets as anchor, positive, negative, so they are reordered on
reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.sources.reading.text_files import read_lines
from trainables.sources.source import SPLITS, Labels

CONDITIONS = {"class": "Category", "closure": "Closure", "gender": "Gender", "heel": "HeelHeight"}
"""The four conditions, and the columns of ``meta-data.csv`` they were made from."""

_SPELLINGS = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class ReleasedTriplets:
    """``filenames`` by line; per split and task an (M, 3) array of line numbers: anchor, positive, negative."""

    file: Path
    filenames: tuple[str, ...]
    lists: dict[str, dict[str, Labels]]


def find_released(root: Path) -> Path | None:
    """Return the folder with ``filenames.json`` and ``tripletlists``: CSN's ``data/``, or the root itself."""
    return next((home for home in (root / "data", root) if (home / "filenames.json").is_file()), None)


def read_released(root: Path, tasks: Iterable[str]) -> ReleasedTriplets:
    """Return the triplet lists of the conditions among ``tasks``, for all three splits.

    Raises:
        ValueError: a file is missing, a line does not hold three line numbers, or none of the tasks is a condition.
    """
    home = find_released(root)
    if home is None:
        raise ValueError(f"{root}: the released triplets are missing; looked for data/filenames.json, filenames.json")
    conditions = [task for task in tasks if task in CONDITIONS]
    if not conditions:
        raise ValueError(f"data.tasks: released triplets are for {', '.join(CONDITIONS)}; list at least one of them")
    filenames = tuple(line.strip() for line in read_lines(home / "filenames.json"))
    if filenames[0].startswith(("[", "{")):
        raise ValueError(
            f"{home / 'filenames.json'}, line 1: expected one image path per line, got JSON: the released file"
            " is not JSON, despite its name"
        )
    lists = {
        split: {
            task: _read_list(home / "tripletlists" / f"{task}_tripletlist_{_SPELLINGS[split]}.txt", len(filenames))
            for task in conditions
        }
        for split in SPLITS
    }
    return ReleasedTriplets(home / "filenames.json", filenames, lists)


def _read_list(path: Path, images: int) -> Labels:
    rows = [line.split() for line in read_lines(path)]
    for number, cells in enumerate(rows, start=1):
        if len(cells) != 3 or not all(cell.isdecimal() and int(cell) < images for cell in cells):
            rule = f"expected three numbers below {images} (lines of filenames.json: anchor, far, close)"
            raise ValueError(f"{path}, line {number}: {rule}, got {' '.join(cells)[:60]!r}")
    anchor, far, close = np.array(rows, dtype=np.int64).T
    return np.stack([anchor, close, far], axis=1)
