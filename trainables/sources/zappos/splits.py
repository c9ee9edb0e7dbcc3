"""Splits of UT-Zappos50K: by product, or those of the released CSN triplets."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from trainables.sources.reading.cells import LabelledColumn
from trainables.sources.reading.listing import Listing, SplitListing
from trainables.sources.reading.own_split import draw_split
from trainables.sources.source import SPLITS, Labels
from trainables.sources.zappos.csn_triplets import ReleasedTriplets
from trainables.sources.zappos.labels import ZapposLabels
from trainables.sources.zappos.layout import ZapposTree, cid_of, normalised


def by_product(tree: ZapposTree, labels: ZapposLabels, tasks: tuple[str, ...], data_seed: int) -> Listing:
    """Split the products 70/10/20 % at random with ``data_seed``, so that all colours of a shoe stay together.

    There is no published split for these labels; this one is our own. A CID without an image counts as corrupt.
    """
    listed = labels.listing()
    cids = next(iter(listed.columns.values()))
    columns = [labels.label(task, cids) for task in tasks]
    table = np.stack([column.labels for column in columns], axis=1)
    split_of = draw_split([cid.partition("-")[0] for cid in cids], data_seed)
    names = np.array([tree.by_cid.get(cid, f"{cid.replace('-', '.')}.jpg") for cid in cids])
    parts = {}
    for split in SPLITS:
        rows = np.flatnonzero(split_of == split)
        lines = [listed.lines[row] for row in rows]
        parts[split] = SplitListing(tuple(str(name) for name in names[rows]), lines, table[rows])
    return Listing(listed.file.name, _classes(tasks, columns), parts, _unlisted(tree, cids))


def by_released_triplets(
    tree: ZapposTree, labels: ZapposLabels, tasks: tuple[str, ...], released: ReleasedTriplets
) -> Listing:
    """Return, for each split, the images in the triplet lists of these tasks, with the lists unchanged.

    Images in no list are left out, because they have no published split.
    """
    lines = {split: np.unique(np.concatenate([*lists.values()])) for split, lists in released.lists.items()}
    paths = {line: _path_on_disk(tree, released.filenames[line]) for found in lines.values() for line in found.tolist()}
    order = sorted(paths)
    columns = [labels.label(task, [cid_of(paths[line]) or "" for line in order]) for task in tasks]
    row_of = {line: row for row, line in enumerate(order)}
    parts = {}
    for split, found in lines.items():
        rows = [row_of[line] for line in found.tolist()]
        table = np.stack([column.labels[rows] for column in columns], axis=1)
        names = tuple(paths[line] for line in found.tolist())
        triplets: dict[str, Labels] = {
            task: np.searchsorted(found, listed) for task, listed in released.lists[split].items()
        }
        parts[split] = SplitListing(names, (found + 1).tolist(), table, triplets)
    return Listing(released.file.name, _classes(tasks, columns), parts, _shared(lines, released.filenames))


def _path_on_disk(tree: ZapposTree, listed: str) -> str:
    """Return an image's path on disk; a listed path without a file is returned unchanged, to be reported as corrupt."""
    name = normalised(listed)
    short = name.removeprefix(f"{tree.folder.name}/")
    return tree.by_path.get(name) or tree.by_path.get(short) or short


def _classes(tasks: tuple[str, ...], columns: list[LabelledColumn]) -> dict[str, tuple[str, ...]]:
    return {task: column.classes for task, column in zip(tasks, columns, strict=True)}


def _unlisted(tree: ZapposTree, cids: list[str]) -> tuple[str, ...]:
    left = sorted(set(tree.by_cid) - set(cids))
    return (
        (f"{len(left)} images are on disk but in no row of the table, the first {tree.by_cid[left[0]]}",)
        if left
        else ()
    )


def _shared(lines: dict[str, Labels], filenames: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    for one, other in combinations(SPLITS, 2):
        both = np.intersect1d(lines[one], lines[other])
        if both.size:
            first = filenames[int(both[0])]
            notes.append(f"{both.size} images are in the triplet lists of both {one} and {other}, the first {first}")
    return tuple(notes)
