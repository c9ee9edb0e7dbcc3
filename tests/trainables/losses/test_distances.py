"""Triplet losses on every distance against pytorch-metric-learning, which forms all triplets one by one."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer

from trainables.config.training import LossConfig
from trainables.losses.distances import chosen_distance
from trainables.losses.triplet import batch_triplet_loss, triplet_margin_loss
from trainables.networks.retrieval import normalize

MODES = [
    LossConfig(distance=distance, normalize=unit) for distance in ("squared", "euclidean") for unit in (True, False)
]


def reference(settings, margin):
    power = 2 if settings.distance == "squared" else 1
    distance = LpDistance(normalize_embeddings=settings.normalize, p=2, power=power)
    return TripletMarginLoss(margin=margin, distance=distance, triplets_per_anchor="all", reducer=MeanReducer())


def batch(kind, generator):
    """Embeddings (12, 4) in float64 and labels (12,), -1 = unlabelled."""
    values = torch.randn(12, 4, generator=generator, dtype=torch.float64) * 3
    labels = {
        "random": torch.randint(-1, 3, (12,), generator=generator),
        "one image in a class": torch.tensor([0, 1, 1, 2, 3, 1, 1, 4, 5, 1, 1, 1]),
        "one class": torch.zeros(12, dtype=torch.int64),
        "all classes of one image": torch.arange(12),
        "nothing labelled": torch.full((12,), -1),
        "ties": torch.randint(0, 2, (12,), generator=generator),
    }[kind]
    if kind == "ties":  # near the grid the margin is hit often; equal images too, but not exactly on the hinge's kink
        values = torch.randint(0, 2, (12, 4), generator=generator).double() + 1
    return values, labels


@pytest.mark.parametrize("settings", MODES, ids=str)
@pytest.mark.parametrize(
    "kind", ["random", "one image in a class", "one class", "all classes of one image", "nothing labelled", "ties"]
)
@pytest.mark.parametrize("margin", [0.21, 2.13])
def test_all_triplets_of_a_batch(settings, kind, margin):
    values, labels = batch(kind, torch.Generator().manual_seed(2))
    ours, theirs = (values.clone().requires_grad_() for _ in range(2))
    embedded = normalize(ours) if settings.normalize else ours
    found = batch_triplet_loss(embedded[None], labels[:, None], margin, chosen_distance(settings)).loss
    known = labels >= 0
    expected = reference(settings, margin)(theirs[known], labels[known])
    torch.testing.assert_close(found, expected.double().reshape(()), rtol=1e-6, atol=1e-9)
    found.backward()
    if expected.requires_grad:
        expected.backward()
    expected_gradient = torch.zeros_like(values) if theirs.grad is None else theirs.grad
    torch.testing.assert_close(ours.grad, expected_gradient, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_given_triplets(settings):
    values = torch.randn(2 * 5 * 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0] = values[1]  # a positive that equals its anchor
    ours, theirs = (values.clone().requires_grad_() for _ in range(2))
    embedded = normalize(ours) if settings.normalize else ours
    found = triplet_margin_loss(embedded, 2, 0.4, chosen_distance(settings)).loss
    indices = tuple(torch.arange(slot, len(values), 3) for slot in range(3))
    expected = reference(settings, 0.4)(theirs, torch.arange(len(values)), indices)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("settings", MODES[1:], ids=str)
def test_long_vectors_keep_their_small_distances(settings):
    """a^2 + b^2 - 2ab in fp32 would have lost all digits of a distance of 0.01 at length 1000."""
    generator = torch.Generator().manual_seed(4)
    far = 0 if settings.normalize else 1000
    values = (torch.randn(1, 10, 3, generator=generator, dtype=torch.float64) * 0.01 + far).float()
    found = chosen_distance(settings).pairs(values)
    exact = torch.cdist(values.double(), values.double())
    exact = exact.square() if settings.distance == "squared" else exact
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-9)
