"""Which triplets the batch loss takes, against loops over triplets and the mining of pytorch-metric-learning."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from pytorch_metric_learning.utils.loss_and_miner_utils import get_all_triplets_indices

from trainables.config.training import LossConfig, Negatives
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


MINED = [rule for rule in get_args(Negatives) if rule != "all"]


def slowly_mined(distances: torch.Tensor, labels: torch.Tensor, rule: str) -> list[tuple[int, int, int]]:
    """Choose triplets of one task by a loop over anchors and positives."""
    known = [image for image in range(len(labels)) if labels[image] >= 0]
    chosen = []
    for a in known:
        row = distances[a].tolist()
        others = [n for n in known if labels[n] != labels[a]]
        positives = [p for p in known if p != a and labels[p] == labels[a]]
        if not others or not positives:
            continue
        for p in [max(positives, key=row.__getitem__)] if rule == "batch_hard" else positives:
            pool = [n for n in others if row[n] > row[p]] if rule == "semi_hard" else others
            n = min(pool, key=row.__getitem__) if pool else max(others, key=row.__getitem__)
            chosen.append((a, p, n))
    return chosen


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [1, 2, 5, 12])
@pytest.mark.parametrize("rule", MINED)
@pytest.mark.parametrize("margin", [0.05, 0.5])
def test_mined_triplets_loss_and_gradient_are_those_of_a_loop(
    seed: int, classes: int, rule: Negatives, margin: float
) -> None:
    embeddings, labels = random_batch(seed, classes)
    ours, theirs = (embeddings.clone().requires_grad_() for _ in range(2))
    found = batch_triplet_loss(ours, labels, margin, negatives=rule)
    means, counts = [], []
    for task in range(TASKS):
        distances = (theirs[task][:, None] - theirs[task]).square().sum(-1)
        triplets = slowly_mined(distances.detach(), labels[:, task], rule)
        hinges = [(distances[a, p] - distances[a, n] + margin).clamp_min(0) for a, p, n in triplets]
        counts.append((len(triplets), sum(hinge.item() > 0 for hinge in hinges)))
        means += [torch.stack(hinges).mean()] if hinges else []
    assert list(zip(found.valid.tolist(), found.active.tolist(), strict=True)) == counts
    if not means:
        assert found.loss.item() == 0
        return
    expected = torch.stack(means).mean()
    torch.testing.assert_close(found.loss, expected)
    found.loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_batch_hard_triplets_are_those_of_pytorch_metric_learning() -> None:
    embeddings, labels = random_batch(1, 4)
    known = labels[:, 0] >= 0
    values, own = embeddings[0, known], labels[known, 0]
    a, p, n = BatchHardMiner(distance=LpDistance(normalize_embeddings=False, p=2, power=2))(values, own)
    hinge = ((values[a] - values[p]).square().sum(1) - (values[a] - values[n]).square().sum(1) + 0.2).clamp_min(0)
    found = batch_triplet_loss(embeddings[:1], labels[:, :1], 0.2, negatives="batch_hard")
    assert found.valid.item() == len(a)
    torch.testing.assert_close(found.loss, hinge.mean())


@pytest.mark.parametrize("rule", MINED)
def test_equal_distances_are_not_semi_hard(rule: Negatives) -> None:
    """On a grid: from 0, the positive and one negative are at 1, the other negative is at 9."""
    values = torch.tensor([[0.0], [1.0], [-1.0], [3.0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 2])
    found = batch_triplet_loss(values[None], labels[:, None], 9.0, SQUARED, rule)
    of_zero = {"semi_hard": 1 - 9 + 9, "hard": 1 - 1 + 9, "batch_hard": 1 - 1 + 9}[rule]
    of_one = {"semi_hard": 1 - 4 + 9, "hard": 1 - 4 + 9, "batch_hard": 1 - 4 + 9}[rule]
    assert found.loss.item() == pytest.approx((of_zero + of_one) / 2)
