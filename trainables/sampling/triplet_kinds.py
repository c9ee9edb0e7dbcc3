"""Triplets for evaluation drawn by rules other than that of ``TripletPool``, from the labels of one task.

A rule takes labels (N,), -1 = unlabelled, a number of triplets and a generator. It returns triplets (M, 3) of rows:
anchor, positive, negative; none (0, 3) where the task has no such triplet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainables.sampling.triplets import Integers, TripletPool

Draw = Callable[[Integers, int, np.random.Generator], Integers]

NONE: Integers = np.empty((0, 3), dtype=np.int64)


def has_positives(labels: Integers) -> bool:
    """Return whether a task is binary, with two images that have the attribute and one that lacks it."""
    known = labels[labels >= 0]
    return bool(len(known)) and int(known.max()) == 1 and int((known == 1).sum()) > 1 and bool((known == 0).any())


def draw_from_positives(labels: Integers, count: int, generator: np.random.Generator) -> Integers:
    """Draw triplets whose anchor and positive have a binary attribute (class 1) and whose negative lacks it (class 0).

    Source: the released code of the modulation module, which trains and tests on such triplets (``train_mm.py`` and
    ``test_mm.py`` at a7e9967). Only binary tasks have them.
    """
    if not has_positives(labels):
        return NONE
    pool = TripletPool(labels, "", "")
    anchors = np.flatnonzero(labels == 1)
    drawn = anchors[generator.integers(0, len(anchors), size=count)]
    return pool.complete(drawn, generator.random((2, count)))


def draw_balanced(labels: Integers, count: int, generator: np.random.Generator) -> Integers:
    """Draw triplets in which every class is equally likely: that of the anchor, and given it, that of the negative.

    The anchor's class is uniform over classes with two images, the negative's over all other classes; images are
    uniform within their class. So the mean over triplets weights classes like the mean over classes of a confusion
    matrix (macro average), on both sides of a comparison.
    """
    labelled = np.flatnonzero(labels >= 0)
    by_class = labelled[np.argsort(labels[labelled], kind="stable")]
    classes, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    with_pair = np.flatnonzero(sizes >= 2)
    if len(classes) < 2 or not len(with_pair):
        return NONE

    def below(limits: Integers | int) -> Integers:
        return (generator.random(count) * limits).astype(np.int64)

    own = with_pair[below(len(with_pair))]
    anchor, positive = below(sizes[own]), below(sizes[own] - 1)
    positive += positive >= anchor
    other = below(len(classes) - 1)
    other += other >= own
    negative = below(sizes[other])
    return np.stack(
        [by_class[starts[own] + anchor], by_class[starts[own] + positive], by_class[starts[other] + negative]], axis=1
    )


KINDS: dict[str, Draw] = {
    "triplet_accuracy_positives": draw_from_positives,
    "triplet_accuracy_balanced": draw_balanced,
}
"""Rules by the metric that uses their triplets."""
