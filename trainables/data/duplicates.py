"""Duplicate images: across splits, where they inflate test figures, or within one."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.sources.source import SPLITS, Pixels

_NAMED = 10
_NAMED_OF_GROUP = 4

Place = tuple[str, int]
"""A split, and a row of it in the source."""


@dataclass(frozen=True)
class DuplicateImages:
    """Decoded images, at the image size of the study, that equal another one in every pixel.

    Attributes:
        held_out: number of validation and test images.
        leaked: number of those that also appear in another split.
        pairs: for ``split in other``, the number of images of the first split that also appear in the second.
        repeated: by split, the number of images that already appear in an earlier row.
        across: the first groups of equal images in several splits, each image by name.
        inside: the first groups of equal images in one split.
    """

    held_out: int
    leaked: int
    pairs: Mapping[str, int]
    repeated: Mapping[str, int]
    across: tuple[tuple[str, ...], ...] = ()
    inside: tuple[tuple[str, ...], ...] = ()

    @property
    def share(self) -> float:
        """The share of validation and test images whose pixels also appear in another split."""
        return self.leaked / max(1, self.held_out)

    @property
    def sentence(self) -> str:
        """A summary of the findings, also if there are no duplicates."""
        repeated = ", ".join(f"{number:,} in {split}" for split, number in self.repeated.items())
        return (
            f"{self.leaked:,} of {self.held_out:,} validation and test images ({self.share:.2%}) also appear in "
            f"another split, by decoded pixels; images that repeat another of their split: {repeated}"
        )

    def excess(self, limit: float) -> str | None:
        """Return an error message if the splits share more images than ``limit`` allows, else None."""
        if self.share <= limit:
            return None
        allowed = math.ceil(self.share * 10_000) / 10_000
        return (
            f"data.max_duplicate_share: {self.leaked:,} of {self.held_out:,} validation and test images "
            f"({self.share:.2%}) also appear in another split, by decoded pixels, where {limit:.2%} is allowed: "
            f"{'; '.join(map(' = '.join, self.across[:2]))}{'; ...' if len(self.across) > 2 else ''}; remove them from "
            f"one split (modstudy data check lists more), or allow them: max_duplicate_share: {allowed:g}"
        )

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> DuplicateImages:
        """Return the object from the plain values of ``dataclasses.asdict`` and JSON."""
        groups = {name: tuple(tuple(group) for group in fields[name]) for name in ("across", "inside")}
        return cls(**{**fields, **groups})


def pixel_hash(image: Pixels) -> bytes:
    """Return a hash of the pixels."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def find_duplicates(
    hashes: Mapping[str, Sequence[tuple[int, bytes]]], name: Callable[[str, int], str]
) -> DuplicateImages:
    """Compare all images of all splits.

    Args:
        hashes: by split, the row of each image in the source and its ``pixel_hash``.
        name: returns the name of the image in a row of a split.
    """
    places: dict[bytes, list[Place]] = defaultdict(list)
    for split in SPLITS:
        for row, value in hashes[split]:
            places[value].append((split, row))
    groups = [group for group in places.values() if len(group) > 1]
    across = [group for group in groups if len({split for split, _ in group}) > 1]
    inside = [group for group in groups if len({split for split, _ in group}) == 1]
    return DuplicateImages(
        held_out=sum(len(hashes[split]) for split in SPLITS[1:]),
        leaked=sum(split != SPLITS[0] for group in across for split, _ in group),
        pairs={f"{one} in {other}": _shared(across, one, other) for one, other in _PAIRS},
        repeated={split: sum(_repeats(group, split) for group in groups) for split in SPLITS},
        across=_named(across, name),
        inside=_named(inside, name),
    )


_PAIRS = [(one, other) for other, one in itertools.combinations(SPLITS, 2)]


def _shared(groups: Sequence[Sequence[Place]], one: str, other: str) -> int:
    return sum(sum(split == one for split, _ in group) for group in groups if any(split == other for split, _ in group))


def _repeats(group: Sequence[Place], split: str) -> int:
    return max(0, sum(own == split for own, _ in group) - 1)


def _named(groups: Sequence[Sequence[Place]], name: Callable[[str, int], str]) -> tuple[tuple[str, ...], ...]:
    """Name the first images of the first groups; of a large group, the first of each split."""
    shown = []
    for group in groups[:_NAMED]:
        firsts = {split: place for place in reversed(group) for split in [place[0]]}
        chosen = sorted({*group[:_NAMED_OF_GROUP], *firsts.values()}, key=group.index)
        more = len(group) - len(chosen)
        shown.append((*(f"{split} {name(split, row)}" for split, row in chosen), *([f"{more:,} more"] if more else [])))
    return tuple(shown)
