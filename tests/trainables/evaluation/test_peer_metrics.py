"""Rank metrics against scikit-learn and pytorch-metric-learning, which know nothing of this project."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn.metrics import average_precision_score

from trainables.evaluation.ranking import Gallery
from trainables.evaluation.retrieval_metrics import average_over, rank_metrics

THEIRS = {
    "recall_at_1": "precision_at_1",  # the same question at depth 1: is the nearest image relevant?
    "r_precision": "r_precision",
    "map_at_r": "mean_average_precision_at_r",
    "mean_average_precision": "mean_average_precision",
}
IMAGES = 30


def case(kind: str, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Embeddings (30, 4) whose differences are exact in float32, and labels (30,), -1 = unlabelled."""
    generator = np.random.default_rng(seed)
    values = generator.permutation(IMAGES * 40).reshape(-1, 40)[:, :4].astype(np.float32)
    labels = generator.integers(0, 4, IMAGES)
    match kind:
        case "unlabelled":
            labels[generator.random(IMAGES) < 0.4] = -1
        case "one-item classes":
            labels = generator.integers(0, 25, IMAGES)
        case "absent classes":
            labels = labels * 7 + 3
        case "all one class":
            labels[:] = 2
        case "two items in all":
            labels[:] = -1
            labels[[3, 8]] = 5
        case "one large and one pair":
            labels = np.array([0] * (IMAGES - 2) + [1] * 2)
        case "few places":
            values = generator.integers(0, 2, (IMAGES, 4)).astype(np.float32)
        case "duplicates":
            values = values[generator.integers(0, 8, IMAGES)]
        case "collapsed":
            values[:] = 1
    return torch.from_numpy(values), labels


WITHOUT_TIES = [
    "random",
    "unlabelled",
    "one-item classes",
    "absent classes",
    "all one class",
    "two items in all",
    "one large and one pair",
]
WITH_TIES = ["few places", "duplicates", "collapsed"]


def ranked(labels: np.ndarray, tie: float) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Return a search that ranks exact ties by relevance: ``tie`` 1 puts irrelevant images first, -1 relevant ones."""

    def search(query: torch.Tensor, k: int, reference: torch.Tensor, itself: bool) -> Any:
        assert itself
        distances = torch.cdist(query.double(), reference.double(), compute_mode="donot_use_mm_for_euclid_dist")
        relevant = torch.from_numpy(labels[:, None] == labels)
        found = []
        for row in range(len(query)):
            others = [column for column in range(len(reference)) if column != row]
            others.sort(key=lambda column: (float(distances[row, column]), tie * float(relevant[row, column])))
            found.append(others[:k])
        indices = torch.tensor(found)
        return distances.gather(1, indices), indices

    return search


def by_their_library(
    embeddings: torch.Tensor, labels: np.ndarray, tie: float = 1, *, classes: bool
) -> dict[str, float]:
    known = labels >= 0  # their library has no word for an unlabelled image, so these are left out
    calculator = AccuracyCalculator(
        include=tuple(THEIRS.values()),
        avg_of_avgs=classes,
        knn_func=ranked(labels[known], tie),
        kmeans_func=print,  # never called
        device=torch.device("cpu"),
    )
    found = calculator.get_accuracy(embeddings[known], torch.from_numpy(labels[known]))
    return {ours: found[theirs] for ours, theirs in THEIRS.items()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [*WITHOUT_TIES, *WITH_TIES])
def test_averages_equal_those_of_pytorch_metric_learning(kind: str, seed: int) -> None:
    """Their ``avg_of_avgs`` is our average by class; both leave out queries that nothing else shares a class with.

    The order of exact ties is the search's there. With ties ranked pessimistically, as here, all definitions agree.
    """
    embeddings, labels = case(kind, seed)
    found = rank_metrics(embeddings, labels)
    for average in ("query", "class"):
        expected = by_their_library(embeddings, labels, classes=average == "class")
        for name, value in expected.items():
            ours = average_over(found.values[name], found.classes, average)
            assert ours == pytest.approx(value, abs=1e-12), (name, average)


@pytest.mark.parametrize("kind", WITH_TIES)
def test_ties_are_the_worst_case(kind: str) -> None:
    """With ties ranked the other way their values are above ours: no order of the images can make ours better."""
    embeddings, labels = case(kind, 0)
    found = rank_metrics(embeddings, labels)
    best = by_their_library(embeddings, labels, tie=-1, classes=False)
    for name, value in best.items():
        assert average_over(found.values[name], found.classes, "query") < value - 0.01, name


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", WITHOUT_TIES)
def test_every_querys_average_precision_is_that_of_scikit_learn(kind: str, seed: int) -> None:
    embeddings, labels = case(kind, seed)
    np.testing.assert_allclose(
        rank_metrics(embeddings, labels).values["mean_average_precision"],
        [score for _, _, score in scikit_learns(embeddings, labels)],
        rtol=1e-12,
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", WITH_TIES)
def test_scikit_learn_credits_ties_and_we_do_not(kind: str, seed: int) -> None:
    """scikit-learn takes a group of ties as one threshold, where every relevant image in it has the precision at its
    end. Here only the last one has that precision, and the ones before it a lower one. So ours is never above, and
    equal where no query has an irrelevant image at the distance of more than one relevant image.
    """
    embeddings, labels = case(kind, seed)
    ours = rank_metrics(embeddings, labels).values["mean_average_precision"]
    below = 0
    for value, (distances, relevant, score) in zip(ours, scikit_learns(embeddings, labels), strict=True):
        crossed = any(
            (relevant & at).sum() > 1 and (~relevant & (distances <= place)).any()
            for place in np.unique(distances)
            for at in [distances == place]
        )
        assert value <= score + 1e-12
        if not crossed:
            assert value == pytest.approx(score, abs=1e-12)
        below += value < score - 1e-12
    assert below


def scikit_learns(embeddings: torch.Tensor, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Distances, relevance and average precision of every answerable query, leave-one-out over labelled images."""
    distances = Gallery(embeddings).distances(torch.arange(len(embeddings))).numpy()
    found = []
    for query in np.flatnonzero(labels >= 0):
        gallery = (labels >= 0) & (np.arange(len(labels)) != query)
        relevant = labels[gallery] == labels[query]
        if relevant.any():
            row = distances[query, gallery]
            found.append((row, relevant, average_precision_score(relevant, -row)))
    return found


def test_their_queries_and_ours_are_the_same_ones() -> None:
    """Query by query: one query against all others as their reference set, which has no query to leave out."""
    embeddings, labels = case("one-item classes", 3)
    found, row = rank_metrics(embeddings, labels), 0
    calculator = AccuracyCalculator(
        include=tuple(THEIRS.values()),
        kmeans_func=print,
        device=torch.device("cpu"),
        knn_func=lambda query, k, reference, _: torch.cdist(query, reference).topk(k, largest=False),
    )
    for query in range(IMAGES):
        others = np.arange(IMAGES) != query
        tensors = torch.from_numpy(labels)
        theirs = calculator.get_accuracy(
            embeddings[[query]], tensors[[query]], embeddings[others], tensors[others], ref_includes_query=False
        )
        if np.isnan(theirs["r_precision"]):
            continue
        for ours, name in THEIRS.items():
            assert found.values[ours][row] == pytest.approx(theirs[name], abs=1e-12)
        row += 1
    assert row == len(found.classes)
    assert found.unanswerable == IMAGES - row > 0
