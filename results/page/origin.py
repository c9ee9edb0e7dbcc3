"""What the page shows that is not in the tables: handed in by whoever knows the run folder, weights and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from results.page.model import Fact, LongText

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
class PageOrigin:
    """Facts that are not in the tables.

    Attributes:
        description: the one-sentence description of the study.
        notes: remarks on the trials, one sentence each.
        facts: lines of the provenance, shown before those that follow from the tables.
        texts: long texts of the provenance.
        vectors: modulation vectors of confirm trials.
        unread: remarks on trials whose vectors could not be read.
        labels: association of the labels of every two tasks, ``(T, T)``; None where the images are not at hand.
        examples: retrieval examples.
    """

    description: str = ""
    notes: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    texts: tuple[LongText, ...] = ()
    vectors: tuple[TrialVectors, ...] = ()
    unread: tuple[str, ...] = ()
    labels: Floats | None = None
    examples: FoundExamples = FoundExamples()
