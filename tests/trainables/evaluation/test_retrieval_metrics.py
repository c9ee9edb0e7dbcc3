from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from trainables.evaluation import retrieval_metrics
from trainables.evaluation.ranking import Gallery, relevant_ranks, relevant_ranks_there
from trainables.evaluation.retrieval_metrics import (
    RANK_METRICS,
    average_over,
    chance_levels,
    metrics_of_ranks,
    rank_metrics,
)
from trainables.evaluation.triplet_accuracy import correct_triplets


def distances_of(embeddings, rows=None):
    """Squared distances (Q, N) of the first ``rows`` images, of all of them if None."""
    return Gallery(embeddings).distances(torch.arange(rows or len(embeddings))).numpy()


def slow_metrics(distances, labels):
    """Every metric by loops over one query at a time, ties pessimistic."""
    values = {name: [] for name in RANK_METRICS}
    classes = []
    for query, label in enumerate(labels):
        others = [i for i in range(len(labels)) if i != query and labels[i] >= 0]
        relevant = sum(labels[i] == label for i in others)
        if label < 0 or not relevant:
            continue
        ranking = sorted(others, key=lambda i: (distances[query, i], labels[i] == label))
        hits = [labels[i] == label for i in ranking]
        precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
        for k in (1, 5, 10):
            values[f"recall_at_{k}"].append(float(any(hits[:k])))
        values["mean_average_precision"].append(
            sum(p for p, hit in zip(precision, hits, strict=True) if hit) / relevant
        )
        values["map_at_r"].append(
            sum(p * hit for p, hit in list(zip(precision, hits, strict=True))[:relevant]) / relevant
        )
        values["r_precision"].append(sum(hits[:relevant]) / relevant)
        classes.append(label)
    return values, classes


def random_case(seed, images=40, classes=4, unlabelled=0.2, levels=None):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    labels[generator.random(images) < unlabelled] = -1
    values = generator.normal(size=(images, 3))
    if levels:  # few distinct places: many exact ties
        values = generator.integers(0, levels, (images, 3))
    return torch.tensor(values, dtype=torch.float32), labels


CASES = {
    "no ties": {"levels": None},
    "many ties": {"levels": 2},
    "all equal": {"levels": 1},
    "singletons": {"classes": 25},
    "binary, few": {"classes": 2, "images": 6, "unlabelled": 0},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(("chunk_elements", "fewest_queries"), [(1, 1), (1, 7), (200, 64), (2**21, 64)])
def test_equals_plain_loops(seed, case, chunk_elements, fewest_queries, monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "CHUNK_ELEMENTS", chunk_elements)
    monkeypatch.setattr(retrieval_metrics, "FEWEST_QUERIES", fewest_queries)
    embeddings, labels = random_case(seed, **CASES[case])
    expected, classes = slow_metrics(distances_of(embeddings), labels)
    found = rank_metrics(embeddings, labels)
    for name in RANK_METRICS:
        np.testing.assert_allclose(found.values[name], expected[name], rtol=1e-12, err_msg=name)
    np.testing.assert_array_equal(found.classes, classes)
    assert found.unanswerable == (labels >= 0).sum() - len(classes)


@pytest.mark.parametrize("name", RANK_METRICS)
def test_one_metric_alone_is_all_that_is_computed_and_has_the_same_bits(name):
    embeddings, labels = random_case(4, images=60, levels=3)
    every, alone = rank_metrics(embeddings, labels), rank_metrics(embeddings, labels, wanted=(name,))
    assert set(alone.values) == set(alone.chance) == {name}
    assert alone.values[name].tobytes() == every.values[name].tobytes()
    assert alone.chance[name].tobytes() == every.chance[name].tobytes()


@pytest.mark.parametrize("chunk_elements", [100, 2**19])
def test_threads_change_no_bit(chunk_elements, monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "CHUNK_ELEMENTS", chunk_elements)
    embeddings, labels = random_case(5, images=150, levels=6)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(rank_metrics(embeddings, labels).values)
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for name in RANK_METRICS:
            np.testing.assert_array_equal(other[name], found[0][name])


def test_some_queries_meet_the_whole_gallery():
    embeddings, labels = random_case(2)
    every, asked = rank_metrics(embeddings, labels), np.arange(40) % 3 == 0
    some = rank_metrics(embeddings, labels, asked)
    sizes = np.bincount(labels[labels >= 0])
    kept = asked[(labels >= 0) & (sizes[labels] > 1)]
    assert 0 < kept.sum() < len(kept)
    for name in RANK_METRICS:
        np.testing.assert_array_equal(some.values[name], every.values[name][kept])
        np.testing.assert_array_equal(some.chance[name], every.chance[name][kept])
    with pytest.raises(ValueError, match="no query"):
        rank_metrics(embeddings, labels, np.zeros(40, bool))


def test_average_precision_equals_scikit_learn_without_ties():
    embeddings, labels = random_case(7, images=80, unlabelled=0)
    found = rank_metrics(embeddings, labels).values["mean_average_precision"]
    distances = distances_of(embeddings)
    for query in range(len(labels)):
        others = np.arange(len(labels)) != query
        reference = average_precision_score(labels[others] == labels[query], -distances[query, others])
        assert found[query] == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize(("gallery", "relevant"), [(1, 1), (5, 1), (5, 5), (12, 3), (20, 15)])
def test_chance_equals_simulation(gallery, relevant):
    generator = np.random.default_rng(gallery * 100 + relevant)
    shuffles = 20_000
    hits = np.tile(np.arange(gallery) < relevant, (shuffles, 1))
    _, ranks = np.nonzero(generator.permuted(hits, axis=1))
    simulated = metrics_of_ranks(ranks, np.full(shuffles, relevant))
    chance = chance_levels(np.array([relevant]), gallery)
    for name in RANK_METRICS:
        error = 5 * simulated[name].std() / shuffles**0.5 + 1e-12
        assert chance[name][0] == pytest.approx(simulated[name].mean(), abs=error), name


def test_random_embeddings_score_at_chance():
    generator = np.random.default_rng(0)
    embeddings = torch.tensor(generator.normal(size=(1500, 8)), dtype=torch.float32)
    found = rank_metrics(embeddings, (generator.random(1500) < 0.25).astype(np.int64))
    for name in RANK_METRICS:
        for average in ("query", "class"):
            value = average_over(found.values[name], found.classes, average)
            assert value == pytest.approx(average_over(found.chance[name], found.classes, average), abs=0.04)


def test_ranks_of_a_case_worked_by_hand():
    distances = np.array([[0.0, 3.0, 1.0, 1.0, 2.0]], dtype=np.float32)
    relevant = np.array([[True, True, True, False, False]])
    ranks = relevant_ranks(distances, relevant, np.array([0]))
    assert ranks.tolist() == [1, 3]  # the irrelevant image at distance 1 comes first


def test_equal_images_are_exactly_equal_and_near_ones_keep_their_order():
    generator = torch.Generator().manual_seed(0)
    different = torch.nn.functional.normalize(torch.randn(40, 257, generator=generator), dim=1)
    gallery = different[torch.randint(0, 40, (333,), generator=generator)]
    distances = distances_of(gallery, 71)
    np.testing.assert_array_equal(distances == 0, (gallery[:71, None] == gallery).all(dim=2).numpy())
    steps = torch.tensor([[0.0], [1e-6], [2e-6], [3e-6]])
    near = torch.cat([torch.ones(4, 1), steps], dim=1)
    np.testing.assert_allclose(distances_of(near, 1)[0], steps[:, 0].double() ** 2, rtol=0.02)


@pytest.mark.parametrize("case", CASES)
def test_an_accelerator_ranks_as_the_cpu_does(case):
    embeddings, labels = random_case(3, **CASES[case])
    embeddings, labels = embeddings[labels >= 0], labels[labels >= 0]
    distances = distances_of(embeddings)
    relevant, own = labels[:, None] == labels, np.arange(len(labels))
    there = relevant_ranks_there(torch.from_numpy(distances), torch.from_numpy(relevant), torch.from_numpy(own))
    np.testing.assert_array_equal(there, relevant_ranks(distances, relevant, own))


def test_an_accelerator_orders_zeros_and_refuses_what_is_not_finite():
    def ranks(*distances):
        relevant = torch.arange(len(distances))[None] == 2
        return relevant_ranks_there(torch.tensor([distances]), relevant, torch.tensor([0])).tolist()

    assert ranks(9, 1e-38, -0.0, 1e-45, 0.0) == [1]
    for value in (np.nan, -np.nan, np.inf):
        with pytest.raises(ValueError, match="distances must be finite"):
            ranks(0.0, value, 1.0)


def test_perfect_and_collapsed_embeddings():
    labels = np.array([0, 0, 0, 1, 1, 1])
    perfect = rank_metrics(torch.tensor(labels[:, None], dtype=torch.float32), labels)
    assert all((perfect.values[name] == 1).all() for name in RANK_METRICS)
    collapsed = rank_metrics(torch.ones(6, 4), labels)
    assert collapsed.values["recall_at_1"].tolist() == [0] * 6
    assert (collapsed.values["mean_average_precision"] < collapsed.chance["mean_average_precision"]).all()


def test_negative_zero_and_tiny_distances_keep_their_order():
    distances = np.array([[9, 1e-38, -0.0, 1e-45, 0.0]], dtype=np.float32)
    ranks = relevant_ranks(distances, np.array([[False, False, True, False, False]]), np.array([0]))
    assert ranks.tolist() == [1]  # after the irrelevant image at the same distance 0, before 1e-45


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
def test_what_is_not_finite_is_refused(value):
    embeddings, labels = random_case(0, unlabelled=0)
    embeddings[3, 1] = value
    with pytest.raises(ValueError, match="1 of 40 images have NaN or infinity, the first is image 3"):
        rank_metrics(embeddings, labels)
    with pytest.raises(ValueError, match="1 of 40 images"):
        correct_triplets(embeddings, np.array([[0, 1, 2]]))
    distances = np.array([[0, value, 1]], dtype=np.float32)
    with pytest.raises(ValueError, match="distances must be finite"):
        relevant_ranks(distances, np.array([[True, True, False]]), np.array([0]))


@pytest.mark.parametrize("labels", [[-1, -1, -1], [0, 1, 2], [0, -1, -1]])
def test_no_query_is_an_error(labels):
    with pytest.raises(ValueError, match="no query: none of the"):
        rank_metrics(torch.eye(3), np.array(labels))


def test_correct_triplets_are_strict():
    embeddings = torch.tensor([[0.0], [1.0], [-1.0], [3.0]])
    triplets = np.array([[0, 1, 3], [0, 3, 1], [0, 1, 2], [1, 1, 1]])
    assert correct_triplets(embeddings, triplets).tolist() == [True, False, False, False]


def test_averages_by_query_and_by_class():
    values, classes = np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 2])
    assert average_over(values, classes, "query") == 0.75
    assert average_over(values, classes, "class") == 0.5
