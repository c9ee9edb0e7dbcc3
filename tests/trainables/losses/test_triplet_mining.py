"""Which triplets the batch loss takes, against the mining of pytorch-metric-learning."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import TripletMarginMiner
from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_triplets_indices

from trainables.config.training import LossConfig
from trainables.losses.distances import SQUARED, chosen_distance
from trainables.losses.triplet import batch_triplet_loss
from trainables.networks.retrieval import normalize

TASKS, IMAGES = 3, 16


def random_batch(seed: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit embeddings (3, 16, 5) in float64 and labels (16, 3), -1 = unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(TASKS, IMAGES, 5, generator=generator, dtype=torch.float64))
    return embeddings, torch.randint(-1, classes, (IMAGES, TASKS), generator=generator)


def miner(distance: str, margin: float) -> TripletMarginMiner:
    power = 2 if distance == "squared" else 1
    measure = LpDistance(normalize_embeddings=False, p=2, power=power)
    return TripletMarginMiner(margin=margin, type_of_triplets="all", distance=measure)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("classes", [1, 2, 3, 12])
@pytest.mark.parametrize("distance", ["squared", "euclidean"])
@pytest.mark.parametrize("margin", [0.05, 0.2, 1.5])
def test_valid_and_active_triplets_are_theirs(seed: int, classes: int, distance: str, margin: float) -> None:
    embeddings, labels = random_batch(seed, classes)
    found = batch_triplet_loss(embeddings, labels, margin, chosen_distance(LossConfig(distance=distance)))
    for task in range(TASKS):
        known = labels[:, task] >= 0
        values, own = embeddings[task, known], labels[known, task]
        assert found.valid[task] == len(get_all_triplets_indices(own)[0])
        assert found.active[task] == len(miner(distance, margin)(values, own)[0])


@pytest.mark.parametrize("kind", ["one class", "all alone", "nothing labelled", "one pair and one other"])
def test_degenerate_labels(kind: str) -> None:
    embeddings, labels = random_batch(0, 2)
    labels[:] = {"one class": 1, "nothing labelled": -1}.get(kind, 0)
    if kind == "all alone":
        labels[:] = torch.arange(IMAGES)[:, None]
    if kind == "one pair and one other":
        labels[:] = -1
        labels[[2, 5, 9]] = torch.tensor([4, 4, 6])[:, None]
    found = batch_triplet_loss(embeddings, labels, 5.0)
    known = labels[:, 0] >= 0
    expected = len(get_all_triplets_indices(labels[known, 0])[0]) if known.any() else 0
    assert expected == (2 if kind == "one pair and one other" else 0)
    assert found.valid.tolist() == found.active.tolist() == [expected] * TASKS  # a margin of 5 is never satisfied


def test_a_triplet_exactly_on_the_margin_is_active_there_and_not_here() -> None:
    """Its hinge is 0 either way, so losses agree and only the share of active triplets could differ.

    On a grid all distances are whole numbers: 0 from each other on one place, 1 to the next one.
    """
    values = torch.tensor([[0.0], [0.0], [1.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    found = batch_triplet_loss(values[None], labels[:, None], 1.0, SQUARED)
    assert found.active.tolist() == [0]
    assert len(miner("squared", 1.0)(values, labels)[0]) == found.valid.item() == 2
    assert batch_triplet_loss(values[None], labels[:, None], 1.0 + 1e-9, SQUARED).active.tolist() == [2]
