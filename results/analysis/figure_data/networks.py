"""What the networks of a study show: their modulation vectors, and what they retrieve.

Neither is in the tables: whoever has the run folder, weights and images hands it in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from results.analysis.task_tree import TaskTree, agreement_of, task_tree, vector_similarity

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TrialVectors:
    """The modulation vectors of one confirm trial: by point, factors ``(T, C)``."""

    arm_id: str
    train_seed: int
    points: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FoundImage:
    """An image of an example by its number, and whether it has the query's label."""

    image: int
    right: bool


@dataclass(frozen=True)
class FoundQuery:
    """A query: by name of an arm, what was found, nearest first."""

    task: str
    label: str
    image: int
    arms: Mapping[str, tuple[FoundImage, ...]]


@dataclass(frozen=True)
class FoundExamples:
    """Retrieval examples with their images (JPEG) by number. Without queries, ``note`` says why."""

    queries: tuple[FoundQuery, ...] = ()
    images: Mapping[int, bytes] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Networks:
    """What is known of a study's networks.

    Attributes:
        vectors: modulation vectors of confirm trials.
        labels: association of the labels of every two tasks, ``(T, T)``; None where the images are not at hand.
        examples: retrieval examples.
        unread: remarks on trials whose vectors could not be read.
    """

    vectors: tuple[TrialVectors, ...] = ()
    labels: Floats | None = None
    examples: FoundExamples = FoundExamples()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArmVectors:
    """The modulation vectors of one arm.

    Attributes:
        points: by modulation point, the factors ``(T, C)`` of the lowest train seed.
        seeds: train seeds behind the similarity, in order.
        similarity: of tasks over all points, mean over seeds, ``(T, T)``; None where factors do not tell tasks apart.
        tree: that the similarity implies.
        correlation: Spearman's, over pairs of tasks, of similarity and the association of labels.
    """

    points: Mapping[str, NDArray[np.float32]]
    seeds: tuple[int, ...]
    similarity: Floats | None
    tree: TaskTree | None
    correlation: float | None


def arm_vectors(networks: Networks, arm_id: str) -> ArmVectors | None:
    """Return the vectors of an arm; None if it has none."""
    trials = sorted((v for v in networks.vectors if v.arm_id == arm_id and v.points), key=lambda v: v.train_seed)
    if not trials:
        return None
    similarity = vector_similarity([[point.astype(np.float64) for point in trial.points.values()] for trial in trials])
    return ArmVectors(
        trials[0].points,
        tuple(trial.train_seed for trial in trials),
        similarity,
        None if similarity is None else task_tree(similarity),
        None if similarity is None or networks.labels is None else agreement_of(similarity, networks.labels),
    )
