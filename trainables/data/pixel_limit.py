"""A study's own limit of pixels as part of what its data is: only where an image lies between it and the usual one."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from trainables.sources.source import MAX_PIXELS, SPLITS, ImageSource


@dataclass(frozen=True)
class _Question:
    """Which images of a source, told by the text of its identity, have more than ``above`` and at most ``limit``."""

    identity: str
    above: int
    limit: int
    source: ImageSource = field(compare=False)


def acting_limit(source: ImageSource, identity: str, max_pixels: int) -> dict[str, Any]:
    """Return the images that ``max_pixels`` admits or refuses and the usual limit does not; nothing if there are none.

    The headers of all images are read for it, once a process, and only where the limit is not the usual one.

    Args:
        source: of the images.
        identity: of the source without its limit, as text.
        max_pixels: the study's own limit.
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
