"""Retrieval metrics of one task: pure functions of embeddings and integer labels.

Leave-one-out: each labelled image is a query once, with all other labelled images of the split as its gallery. Images
with label -1 are neither. A query with no other member of its class in the gallery is unanswerable; such queries are
left out and counted. Ties are pessimistic, see ``ranking``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.evaluation.ranking import Gallery, relevant_ranks, relevant_ranks_there
from trainables.foundation.pulse import beat
from trainables.outcome import Average

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Values = dict[str, Floats]
"""Each metric of some queries (Q,)."""

RECALL_DEPTHS = {"recall_at_1": 1, "recall_at_5": 5, "recall_at_10": 10}
RANK_METRICS = (*RECALL_DEPTHS, "mean_average_precision", "map_at_r", "r_precision")

CHUNK_ELEMENTS = 2**19
"""Distances that a thread ranks at a time, about 30 MB with work arrays."""

FEWEST_QUERIES = 64
"""Queries whose distances are computed together where the gallery is so large that fewer would fill a chunk: one
product of matrices reads the whole gallery. 200,000 images then take about 200 MB."""

ACCELERATOR_CHUNK_ELEMENTS = 2**24
"""Distances of a chunk on an accelerator (about 1 GB), which needs large pieces of work."""


@dataclass(frozen=True)
class QueryMetrics:
    """Each rank metric and its chance level per query (Q,), and the query's class.

    ``unanswerable`` counts images that should be queries, but are left out because no other image has their class.
    """

    values: Values
    chance: Values
    classes: Integers
    unanswerable: int


def metrics_of_ranks(ranks: Integers, relevant: Integers, wanted: Sequence[str] = RANK_METRICS) -> Values:
    """Return rank metrics per query.

    Recall@k: 1 if any of the first k is relevant. R-precision: share of relevant images among the first R. AP: mean
    over the relevant images of the precision at their rank. MAP@R: the same sum over the first R only, divided by R
    (Musgrave et al. 2020).

    Args:
        ranks: 0-based ranks of the relevant images, query by query, in ascending order within a query.
        relevant: (Q,) R, the number of relevant images of each query, at least 1.
        wanted: The metrics.
    """
    starts = np.concatenate(([0], np.cumsum(relevant)[:-1]))
    depths = {name: depth for name, depth in RECALL_DEPTHS.items() if name in wanted}
    values = {name: (ranks[starts] < depth).astype(np.float64) for name, depth in depths.items()}
    if len(values) == len(wanted):
        return values
    within_r = ranks < np.repeat(relevant, relevant)
    precision = (np.arange(len(ranks)) - np.repeat(starts, relevant) + 1) / (ranks + 1)
    if "mean_average_precision" in wanted:
        values["mean_average_precision"] = np.add.reduceat(precision, starts) / relevant
    if "map_at_r" in wanted:
        values["map_at_r"] = np.add.reduceat(precision * within_r, starts) / relevant
    if "r_precision" in wanted:
        values["r_precision"] = np.add.reduceat(within_r.astype(np.float64), starts) / relevant
    return values


def chance_levels(relevant: Integers, gallery: int, wanted: Sequence[str] = RANK_METRICS) -> Values:
    """Return the expected value of rank metrics under a uniformly random ranking, per query.

    With R relevant among N images, rank i (1-based) is relevant with probability R/N. Given that, the expected
    number of relevant images at ranks below i is (i-1)(R-1)/(N-1), so the expected precision at i times relevance is
    R/N * (1/i + (1 - 1/i) c) with c = (R-1)/(N-1). Summed over i <= n and divided by R:
    (H_n + (n - H_n) c) / N with the harmonic number H_n; n = N gives AP (Bestgen 2015), n = R gives MAP@R.
    R-precision: R/N. Recall@k: 1 - C(N-R, k) / C(N, k), hypergeometric.

    Args:
        relevant: (Q,) R, from 1 to ``gallery``.
        gallery: N.
        wanted: The metrics.
    """
    chance = {}
    for name in (name for name in RECALL_DEPTHS if name in wanted):
        depth = RECALL_DEPTHS[name]
        drawn = np.arange(min(depth, gallery))
        misses = np.maximum(gallery - relevant[:, None] - drawn, 0) / (gallery - drawn)
        chance[name] = 1 - misses.prod(axis=1)
    companions = (relevant - 1) / max(gallery - 1, 1)
    for name, depths in (("mean_average_precision", np.full_like(relevant, gallery)), ("map_at_r", relevant)):
        if name not in wanted:
            continue
        from scipy.special import digamma

        harmonic = digamma(depths + 1) + np.euler_gamma
        chance[name] = (harmonic + (depths - harmonic) * companions) / gallery
    if "r_precision" in wanted:
        chance["r_precision"] = relevant / gallery
    return chance


def rank_metrics(
    embeddings: torch.Tensor,
    labels: Integers,
    asked: NDArray[np.bool_] | None = None,
    wanted: Sequence[str] = RANK_METRICS,
) -> QueryMetrics:
    """Return rank metrics of all queries, leave-one-out, in chunks of queries.

    Distances use torch's threads or the accelerator; ranks and metrics use as many threads as torch, since NumPy
    releases the interpreter's lock. The number of threads changes no rank and no sum.

    Args:
        embeddings: (N, D) of one task, used as given: normalise them first.
        labels: (N,), -1 = unlabelled.
        asked: (N,) whether a labelled image is a query; all are if None. Every labelled image is in the gallery.
        wanted: The metrics; whether others are computed beside one changes none of its bits.

    Raises:
        ValueError: an embedding is not finite, or no query has another member of its class.
    """
    labelled = np.flatnonzero(labels >= 0)
    classes = labels[labelled]
    gallery = Gallery(embeddings[torch.from_numpy(labelled).to(embeddings.device)])
    matches = np.bincount(classes)[classes] - 1 if len(classes) else classes
    asking = np.ones(len(labelled), np.bool_) if asked is None else asked[labelled]
    queries = np.flatnonzero(asking & (matches > 0))
    if not len(queries):
        raise ValueError(f"no query: none of the {len(labelled)} labelled images shares its class with another")
    with _workers() as in_parallel:
        parts = [
            part
            for chunk in _chunks(queries, len(labelled), gallery.embeddings.device)
            for part in in_parallel(_pieces(gallery, classes, matches, chunk, wanted))
        ]
    return QueryMetrics(
        values={name: np.concatenate([part[name] for part in parts]) for name in wanted},
        chance=chance_levels(matches[queries], len(labelled) - 1, wanted),
        classes=classes[queries],
        unanswerable=int(asking.sum()) - len(queries),
    )


def _chunks(queries: Integers, gallery: int, device: torch.device) -> Iterator[Integers]:
    """Yield the queries whose distances are computed together."""
    elements = CHUNK_ELEMENTS if device.type == "cpu" else ACCELERATOR_CHUNK_ELEMENTS
    step = max(FEWEST_QUERIES, elements // gallery)
    for start in range(0, len(queries), step):
        beat()
        yield queries[start : start + step]


def _pieces(
    gallery: Gallery, classes: Integers, matches: Integers, chunk: Integers, wanted: Sequence[str]
) -> Iterator[Callable[[], Values]]:
    """Compute the distances of a chunk of queries; yield what turns some of them into metrics, for one thread each."""
    own = torch.from_numpy(chunk).to(gallery.embeddings.device)
    distances = gallery.distances(own)
    share = -(-len(chunk) // torch.get_num_threads())
    step = max(1, min(share, CHUNK_ELEMENTS // len(classes)))
    parts = [slice(start, start + step) for start in range(0, len(chunk), step)]
    if distances.device.type == "cpu":
        numbers = distances.numpy()
        for part in parts:
            yield partial(_ranked, numbers[part], classes, chunk[part], matches[chunk[part]], wanted)
        return
    there = torch.from_numpy(classes).to(own.device)
    ranks = relevant_ranks_there(distances, there[own, None] == there, own)
    ends = np.concatenate(([0], np.cumsum(matches[chunk])))
    for part in parts:
        first, last = ends[part.start], ends[min(part.stop, len(chunk))]
        yield partial(metrics_of_ranks, ranks[first:last], matches[chunk[part]], wanted)


def _ranked(
    distances: NDArray[np.float32], classes: Integers, own: Integers, matches: Integers, wanted: Sequence[str]
) -> Values:
    """Return the metrics of queries, given their distances (Q, N) to the gallery and their places ``own`` in it."""
    return metrics_of_ranks(relevant_ranks(distances, classes[own, None] == classes, own), matches, wanted)


@contextmanager
def _workers() -> Iterator[Callable[[Iterable[Callable[[], Values]]], Iterable[Values]]]:
    """Return a way to call functions with as many threads as torch uses, in order."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield lambda work: (each() for each in work)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield lambda work: pool.map(lambda each: each(), work)


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
