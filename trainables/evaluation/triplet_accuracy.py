"""Triplet accuracy of one task, as the share of given triplets."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.evaluation.ranking import check_finite
from trainables.sampling.triplet_kinds import KINDS

Integers = NDArray[np.int64]

TRIPLET_ACCURACY = "triplet_accuracy"
"""The share of correct triplets in the list of ``TripletPool``, or in a published one."""

TRIPLET_METRICS = (TRIPLET_ACCURACY, *KINDS)
"""The share of correct triplets in lists drawn by different rules."""

TRIPLET_CHANCE = 0.5

CHUNK_TRIPLETS = 4096
ACCELERATOR_CHUNK_TRIPLETS = 2**18


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
