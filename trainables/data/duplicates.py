"""Images that stand twice: in two splits, where they make test figures too good, or twice in one."""

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
"""A split, and a row of the source in it."""


@dataclass(frozen=True)
class DuplicateImages:
    """Which decoded images, at the image size of the study, equal another one in every pixel.

    Attributes:
        held_out: images of validation and test.
        leaked: those of them that also stand in another split.
        pairs: for ``split in other``, how many images of the one also stand in the other.
        repeated: by split, how many images are there already in an earlier row.
        across: groups of equal images in several splits, the first ones, each by name.
        inside: groups of equal images in one split, the first ones.
    """

    held_out: int
    leaked: int
    pairs: Mapping[str, int]
    repeated: Mapping[str, int]
    across: tuple[tuple[str, ...], ...] = ()
    inside: tuple[tuple[str, ...], ...] = ()

    @property
    def share(self) -> float:
        """The share of validation and test images whose pixels also stand in another split."""
        return self.leaked / max(1, self.held_out)

    @property
    def sentence(self) -> str:
        """What was found, also where it is nothing."""
        repeated = ", ".join(f"{number:,} in {split}" for split, number in self.repeated.items())
        return (
            f"{self.leaked:,} of {self.held_out:,} validation and test images ({self.share:.2%}) also stand in another "
            f"split, by decoded pixels; images that repeat one of their own split: {repeated}"
        )

    def excess(self, limit: float) -> str | None:
        """Return what to say where more is shared between splits than ``limit`` allows, else None."""
        if self.share <= limit:
            return None
        allowed = math.ceil(self.share * 10_000) / 10_000
        return (
            f"data.max_duplicate_share: {self.leaked:,} of {self.held_out:,} validation and test images "
            f"({self.share:.2%}) also stand in another split, by decoded pixels, where {limit:.2%} is allowed: "
            f"{'; '.join(map(' = '.join, self.across[:2]))}{'; ...' if len(self.across) > 2 else ''}; take them out of "
            f"one split (modstudy data check names more), or allow them: max_duplicate_share: {allowed:g}"
        )

    @classmethod
    def from_plain(cls, fields: Mapping[str, Any]) -> DuplicateImages:
        """Return what ``dataclasses.asdict`` and JSON made plain."""
        groups = {name: tuple(tuple(group) for group in fields[name]) for name in ("across", "inside")}
        return cls(**{**fields, **groups})


def pixel_hash(image: Pixels) -> bytes:
    """Return what only images of equal pixels share."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def find_duplicates(
    hashes: Mapping[str, Sequence[tuple[int, bytes]]], name: Callable[[str, int], str]
) -> DuplicateImages:
    """Compare all images of all splits.

    Args:
        hashes: by split, the row of every image in the source and its ``pixel_hash``.
        name: says which image stands in a row of a split.
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
    """Name the first images of the first groups; of a group of many the first of every split."""
    shown = []
    for group in groups[:_NAMED]:
        firsts = {split: place for place in reversed(group) for split in [place[0]]}
        chosen = sorted({*group[:_NAMED_OF_GROUP], *firsts.values()}, key=group.index)
        more = len(group) - len(chosen)
        shown.append((*(f"{split} {name(split, row)}" for split, row in chosen), *([f"{more:,} more"] if more else [])))
    return tuple(shown)
