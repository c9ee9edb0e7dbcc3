"""What a search returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Match:
    """An image of an index, as a search ranked it.

    Attributes:
        id: Of the image, unique in its index.
        rank: From 1.
        similarity: Sum over the tasks of weight times similarity.
        source: The path of its file, or ``table.parquet:row``.
        labels: Known labels, as text.
        by_task: The similarity for each task of the search, without its weight: the cosine, or minus the squared
            distance where the network does not normalise its embeddings.
    """

    id: str
    rank: int
    similarity: float
    source: str
    labels: Mapping[str, str] = field(default_factory=dict)
    by_task: Mapping[str, float] = field(default_factory=dict)
