"""Retrieval metrics of one task: pure functions of distances (or embeddings) and integer labels.

Leave-one-out: each labelled image is a query once, with all other labelled images of the split as its gallery. Images
with label -1 are neither. A query with no other member of its class in the gallery is unanswerable; such queries are
left out and counted.

Ties are pessimistic: among images at exactly the same distance, the irrelevant ones rank first. A network that maps
everything to one point therefore scores below chance, not above, and no result depends on the order of the images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.outcome import Average

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TRIPLET_ACCURACY = "triplet_accuracy"
TRIPLET_CHANCE = 0.5
RECALL_DEPTHS = {"recall_at_1": 1, "recall_at_5": 5, "recall_at_10": 10}
RANK_METRICS = (*RECALL_DEPTHS, "mean_average_precision", "map_at_r", "r_precision")

CHUNK_ELEMENTS = 2**19
"""Distances held in memory (about 50 MB with work arrays): memory grows with the gallery, not with its square."""

ACCELERATOR_CHUNK_ELEMENTS = 2**24
"""The same on an accelerator (about 1 GB), which needs large pieces of work."""

CHUNK_TRIPLETS = 4096
ACCELERATOR_CHUNK_TRIPLETS = 2**18

ROUNDING = 1e-14
"""Error of a squared distance in float64, relative to the largest squared norm."""

_INFINITY_KEY = 0xFF000000  # bits of +inf, shifted as in `relevant_ranks`; NaN is larger


@dataclass(frozen=True)
class QueryMetrics:
    """Each rank metric and its chance level per query (Q,), and the query's class.

    ``unanswerable`` counts labelled images left out because no other image has their class.
    """

    values: dict[str, Floats]
    chance: dict[str, Floats]
    classes: Integers
    unanswerable: int


def check_finite(embeddings: torch.Tensor) -> None:
    """Refuse embeddings (N, D) that contain NaN or infinity.

    Raises:
        ValueError: the message gives the number of such rows, and the first one.
    """
    broken = torch.nonzero(~torch.isfinite(embeddings).all(dim=1)).flatten()
    if len(broken):
        raise ValueError(
            f"embeddings must be finite: {len(broken)} of {len(embeddings)} images have NaN or infinity, "
            f"the first is image {int(broken[0])}"
        )


def squared_distances(queries: torch.Tensor, gallery: torch.Tensor) -> NDArray[np.float32]:
    """Return squared Euclidean distances (Q, G) of embeddings (Q, D) and (G, D): see ``squared_distances_there``."""
    distances: NDArray[np.float32] = squared_distances_there(queries, gallery).cpu().numpy()
    return distances


def squared_distances_there(queries: torch.Tensor, gallery: torch.Tensor) -> torch.Tensor:
    """Return squared Euclidean distances (Q, G), float32, on the device of the embeddings (Q, D) and (G, D).

    They are computed in float64 and rounded once, so that close pairs keep their order (in float32, a^2 + b^2 - 2ab has
    an error of 1e-7, however small the distance). Values indistinguishable from 0 in float64 become 0, so that equal
    images tie exactly. torch computes them, because a trial limits its threads.
    """
    left, right = queries.double(), gallery.double()
    right_squares = right.square().sum(1)
    squares = left.square().sum(1)[:, None] + (right_squares - ROUNDING * right_squares.max())
    return squares.addmm_(left, right.T, alpha=-2).clamp_min_(0).float()


def relevant_ranks(distances: NDArray[np.float32], relevant: NDArray[np.bool_], own: Integers) -> Integers:
    """Rank the gallery of each query and return the ranks of its relevant images.

    Distance and relevance form one uint32 key: the bits of a non-negative float32 sort like the number and leave the
    sign bit free, which holds the relevance after a shift. Nothing is rounded, and a plain row sort replaces argsort.

    Args:
        distances: (Q, G), non-negative.
        relevant: (Q, G), whether the image has the query's class.
        own: (Q,) column of the query itself, which is excluded.

    Returns:
        0-based ranks of the relevant images, query by query, in ascending order within a query.

    Raises:
        ValueError: a distance is NaN or infinite.
    """
    # adding 0.0 turns -0.0, whose bits would rank last, into 0.0
    keys = (np.maximum(distances, np.float32(0)) + np.float32(0)).view(np.uint32) << np.uint32(1)
    keys |= relevant
    keys[np.arange(len(keys)), own] = np.iinfo(np.uint32).max
    keys.sort(axis=1)
    if keys.shape[1] > 1 and keys[:, -2].max() >= np.uint32(_INFINITY_KEY):
        raise ValueError("distances must be finite, got NaN or infinity")
    _, ranks = np.nonzero((keys[:, :-1] & np.uint32(1)).astype(np.bool_))
    return ranks


def relevant_ranks_there(distances: torch.Tensor, relevant: torch.Tensor, own: torch.Tensor) -> Integers:
    """Return what ``relevant_ranks`` returns, from tensors on an accelerator, which does the work.

    The keys are the same numbers in int64, since torch sorts no uint32 there.

    Raises:
        ValueError: a distance is NaN or infinite.
    """
    bits = (distances.clamp_min(0) + 0.0).view(torch.int32).long() & 0x7FFFFFFF  # without the sign of a NaN
    keys = bits * 2 + relevant
    keys.scatter_(1, own[:, None], torch.iinfo(torch.int64).max)
    keys = keys.sort(dim=1).values
    if keys.shape[1] > 1 and int(keys[:, -2].max()) >= _INFINITY_KEY:
        raise ValueError("distances must be finite, got NaN or infinity")
    ranks: Integers = torch.nonzero(keys[:, :-1] & 1)[:, 1].cpu().numpy()
    return ranks


def metrics_of_ranks(ranks: Integers, relevant: Integers) -> dict[str, Floats]:
    """Return all rank metrics per query.

    Recall@k: 1 if any of the first k is relevant. R-precision: share of relevant images among the first R. AP: mean
    over the relevant images of the precision at their rank. MAP@R: the same sum over the first R only, divided by R
    (Musgrave et al. 2020).

    Args:
        ranks: 0-based ranks of the relevant images, query by query, in ascending order within a query.
        relevant: (Q,) R, the number of relevant images of each query, at least 1.
    """
    starts = np.concatenate(([0], np.cumsum(relevant)[:-1]))
    found = np.arange(len(ranks)) - np.repeat(starts, relevant) + 1
    precision = found / (ranks + 1)
    within_r = ranks < np.repeat(relevant, relevant)
    values = {name: (ranks[starts] < depth).astype(np.float64) for name, depth in RECALL_DEPTHS.items()}
    values["mean_average_precision"] = np.add.reduceat(precision, starts) / relevant
    values["map_at_r"] = np.add.reduceat(precision * within_r, starts) / relevant
    values["r_precision"] = np.add.reduceat(within_r.astype(np.float64), starts) / relevant
    return values


def chance_levels(relevant: Integers, gallery: int) -> dict[str, Floats]:
    """Return the expected value of each rank metric under a uniformly random ranking, per query.

    With R relevant among N images, rank i (1-based) is relevant with probability R/N. Given that, the expected
    number of relevant images at ranks below i is (i-1)(R-1)/(N-1), so the expected precision at i times relevance is
    R/N * (1/i + (1 - 1/i) c) with c = (R-1)/(N-1). Summed over i <= n and divided by R:
    (H_n + (n - H_n) c) / N with the harmonic number H_n; n = N gives AP (Bestgen 2015), n = R gives MAP@R.
    R-precision: R/N. Recall@k: 1 - C(N-R, k) / C(N, k), hypergeometric.

    Args:
        relevant: (Q,) R, from 1 to ``gallery``.
        gallery: N.
    """
    chance = {}
    for name, depth in RECALL_DEPTHS.items():
        drawn = np.arange(min(depth, gallery))
        misses = np.maximum(gallery - relevant[:, None] - drawn, 0) / (gallery - drawn)
        chance[name] = 1 - misses.prod(axis=1)
    companions = (relevant - 1) / max(gallery - 1, 1)
    for name, depths in (("mean_average_precision", np.full_like(relevant, gallery)), ("map_at_r", relevant)):
        from scipy.special import digamma

        harmonic = digamma(depths + 1) + np.euler_gamma
        chance[name] = (harmonic + (depths - harmonic) * companions) / gallery
    chance["r_precision"] = relevant / gallery
    return chance


def rank_metrics(embeddings: torch.Tensor, labels: Integers) -> QueryMetrics:
    """Return all rank metrics of all queries, leave-one-out, in chunks of queries.

    Args:
        embeddings: (N, D) of one task, used as given: normalise them first.
        labels: (N,), -1 = unlabelled.

    Raises:
        ValueError: an embedding is not finite, or no query has another member of its class.
    """
    labelled = np.flatnonzero(labels >= 0)
    classes = labels[labelled]
    gallery = embeddings[torch.from_numpy(labelled).to(embeddings.device)]
    check_finite(gallery)
    matches = np.bincount(classes)[classes] - 1 if len(classes) else classes
    queries = np.flatnonzero(matches > 0)
    if not len(queries):
        raise ValueError(f"no query: none of the {len(labelled)} labelled images shares its class with another")
    gallery = gallery.double()  # once, not in every chunk
    parts = []
    here = gallery.device.type == "cpu"
    step = max(1, (CHUNK_ELEMENTS if here else ACCELERATOR_CHUNK_ELEMENTS) // len(labelled))
    classes_there = torch.from_numpy(classes).to(gallery.device)
    for start in range(0, len(queries), step):
        own = queries[start : start + step]
        own_there = torch.from_numpy(own).to(gallery.device)
        distances = squared_distances_there(gallery[own_there], gallery)
        if here:
            ranks = relevant_ranks(distances.numpy(), classes[own, None] == classes, own)
        else:
            ranks = relevant_ranks_there(distances, classes_there[own_there, None] == classes_there, own_there)
        parts.append(metrics_of_ranks(ranks, matches[own]))
    return QueryMetrics(
        values={name: np.concatenate([part[name] for part in parts]) for name in RANK_METRICS},
        chance=chance_levels(matches[queries], len(labelled) - 1),
        classes=classes[queries],
        unanswerable=len(labelled) - len(queries),
    )


def correct_triplets(embeddings: torch.Tensor, triplets: Integers) -> NDArray[np.bool_]:
    """Return per triplet whether d(anchor, positive) is strictly below d(anchor, negative), squared Euclidean.

    Args:
        embeddings: (N, D) of one task.
        triplets: (M, 3) rows of ``embeddings``: anchor, positive, negative.

    Raises:
        ValueError: an embedding is not finite.
    """
    check_finite(embeddings)
    correct = []
    step = CHUNK_TRIPLETS if embeddings.device.type == "cpu" else ACCELERATOR_CHUNK_TRIPLETS
    for start in range(0, len(triplets), step):
        rows = torch.from_numpy(triplets[start : start + step]).to(embeddings.device)
        anchor, positive, negative = (embeddings[rows[:, slot]] for slot in range(3))
        near, far = ((anchor - other).square().sum(1) for other in (positive, negative))
        correct.append((near < far).cpu().numpy())
    return np.concatenate(correct)


def average_over(values: Floats | NDArray[np.bool_], classes: Integers, average: Average) -> float:
    """Return the mean over queries, or the mean over classes of each class's mean over its queries.

    Args:
        values: (Q,) one value per query.
        classes: (Q,) the query's class, any integers.
        average: ``query`` or ``class``.
    """
    if average == "query":
        return float(np.mean(values))
    _, members = np.unique(classes, return_inverse=True)
    return float(np.mean(np.bincount(members, weights=values) / np.bincount(members)))
