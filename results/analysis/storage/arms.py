"""An arm in one format, and its cost at any gallery size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from results.analysis.statistics import Interval, PairedDifference, paired_difference, student_mean
from results.tables.metrics import HEADLINE_METRICS


@dataclass(frozen=True)
class Work:
    """What it takes to embed a gallery image for all tasks, a query for one, and to compare it with one vector.

    In multiply-adds, or in seconds.
    """

    image: float
    query: float
    search: float

    def of_query(self, images: float) -> float:
        """Return what a query takes in a gallery: its embedding, and the comparison with a vector of every image."""
        return self.query + images * self.search


@dataclass(frozen=True)
class StoredArm:
    """An arm whose network and index are stored at a precision each.

    Attributes:
        arm: Its name.
        network: Precision of the network.
        index: Precision of the index.
        tasks: Number of tasks T for which it is stored.
        shared_parameters: Of one network without modulation.
        added_parameters: Beyond it.
        network_bytes: Of the stored network.
        vectors_per_image: Vectors that the index stores for an image and all tasks.
        index_bytes_per_image: Their bytes.
        multiply_adds: Work in multiply-adds.
        seconds: Work in measured seconds, in fp32; None if not measured.
        accuracy: Triplet accuracy on the test split in this format, mean over tasks, over seeds; None if not known.
        change: Of the accuracy against fp32, paired by seed; None for fp32 and where not known.
    """

    arm: str
    network: str
    index: str
    tasks: int
    shared_parameters: int
    added_parameters: int
    network_bytes: int
    vectors_per_image: int
    index_bytes_per_image: int
    multiply_adds: Work
    seconds: Work | None = None
    accuracy: Interval | None = None
    change: PairedDifference | None = None

    @property
    def form(self) -> str:
        """The format: one precision, or that of the network and that of the index."""
        return self.network if self.network == self.index else f"{self.network}/{self.index}"

    @property
    def name(self) -> str:
        """The arm with its format."""
        return f"{self.arm} {self.form}"

    def index_bytes(self, images: float) -> float:
        """Return the bytes of the index of a gallery."""
        return images * self.index_bytes_per_image

    def total_bytes(self, images: float) -> float:
        """Return the bytes of network and index."""
        return self.network_bytes + self.index_bytes(images)


def estimates(
    by_seed: Mapping[int, float], at_fp32: Mapping[int, float] | None
) -> tuple[Interval | None, PairedDifference | None]:
    """Return the accuracy over seeds, and its change against fp32 (None: this is fp32)."""
    if not by_seed:
        return None, None
    accuracy = student_mean(np.array(list(by_seed.values())))
    return accuracy, None if at_fp32 is None else paired_difference(by_seed, at_fp32)


def storage_table(arms: Sequence[StoredArm], images: Sequence[float]) -> pd.DataFrame:
    """Return one row per arm, format and gallery size, with every figure; ``accuracy`` is ``HEADLINE_METRICS[0]``."""
    return pd.DataFrame([{**_fixed(arm), **_at(arm, size)} for arm in arms for size in images])


def _fixed(arm: StoredArm) -> dict[str, object]:
    accuracy, change = arm.accuracy, arm.change.student if arm.change else None
    return {
        "arm": arm.arm,
        "network_precision": arm.network,
        "index_precision": arm.index,
        "tasks": arm.tasks,
        "shared_parameters": arm.shared_parameters,
        "added_parameters": arm.added_parameters,
        "parameters": arm.shared_parameters + arm.added_parameters,
        "network_bytes": arm.network_bytes,
        "vectors_per_image": arm.vectors_per_image,
        "index_bytes_per_image": arm.index_bytes_per_image,
        "image_multiply_adds": arm.multiply_adds.image,
        "image_seconds": arm.seconds.image if arm.seconds else None,
        **_bounds(HEADLINE_METRICS[0], accuracy),
        **_bounds("change", change),
    }


def _bounds(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {f"{name}_mean": None, f"{name}_low": None, f"{name}_high": None}
    return {f"{name}_mean": interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _at(arm: StoredArm, images: float) -> dict[str, object]:
    return {
        "images": images,
        "index_bytes": arm.index_bytes(images),
        "total_bytes": arm.total_bytes(images),
        "query_multiply_adds": arm.multiply_adds.of_query(images),
        "query_seconds": arm.seconds.of_query(images) if arm.seconds else None,
    }
