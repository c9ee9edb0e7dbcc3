"""A study's pixel limit as part of its data identity, if it treats any image differently than the default limit."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from trainables.sources.source import MAX_PIXELS, SPLITS, ImageSource


@dataclass(frozen=True)
class _Question:
    """The images of a source (keyed by its identity as text) with more than ``above`` and at most ``limit`` pixels."""

    identity: str
    above: int
    limit: int
    source: ImageSource = field(compare=False)


def acting_limit(source: ImageSource, identity: str, max_pixels: int) -> dict[str, Any]:
    """Return the images that ``max_pixels`` and the default limit treat differently; nothing if there are none.

    This reads the headers of all images, once per process, and only if the limit is not the default.

    Args:
        source: of the images.
        identity: of the source without its limit, as text.
        max_pixels: the study's limit.
    """
    low, high = sorted((max_pixels, MAX_PIXELS))
    found = _between(_Question(identity, low, high, source)) if low < high else ()
    return {"admitted" if max_pixels > MAX_PIXELS else "refused": [list(place) for place in found]} if found else {}


@functools.lru_cache(maxsize=64)
def _between(asked: _Question) -> tuple[tuple[str, int], ...]:
    return tuple(
        (split, row)
        for split in SPLITS
        for row, pixels in enumerate(asked.source.pixel_counts(split))
        if asked.above < pixels <= asked.limit
    )
