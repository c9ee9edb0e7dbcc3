"""Triplet margin losses with equal weight for all tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trainables.config.training import Negatives
from trainables.losses.distances import UNIT_SQUARED, Distance
from trainables.losses.mining import mined_counts
from trainables.losses.ordering import ordered_bits, scattered


@dataclass(frozen=True)
class TripletLoss:
    """A loss and its components, on the device. ``loss`` and ``per_task`` carry their graph.

    Attributes:
        loss: Scalar, the mean over tasks that have a valid triplet; 0, with zero gradient, if no task has one.
        per_task: (T,) mean over the valid triplets of each task, 0 for a task without any.
        valid: (T,) int64, number of valid triplets.
        active: (T,) int64, number of valid triplets that violate the margin.
    """

    loss: torch.Tensor
    per_task: torch.Tensor
    valid: torch.Tensor
    active: torch.Tensor

    @property
    def active_share(self) -> torch.Tensor:
        """(T,) share of the valid triplets that violate the margin; 0 for a task without any."""
        return self.active / self.valid.clamp_min(1)


def triplet_margin_loss(
    embeddings: torch.Tensor, tasks: int, margin: float | torch.Tensor, distance: Distance = UNIT_SQUARED
) -> TripletLoss:
    """Return the loss of given triplets: mean of max(0, d(a, p) - d(a, n) + margin).

    Args:
        embeddings: (tasks * K * 3, D); ordered by task, and within a task alternating between anchor, positive and
            negative, in the layout of ``TripletBatches``.
        tasks: Number of tasks T, each with the same number K of triplets.
        margin: The margin, in units of the distance; a scalar tensor where trials are trained as one model.
        distance: The distance d.

    Raises:
        ValueError: The batch cannot be divided into equally many triplets for all tasks.
    """
    if not len(embeddings) or len(embeddings) % (3 * tasks):
        raise ValueError(f"a batch of {len(embeddings)} does not divide into triplets of {tasks} tasks")
    with _full_precision(embeddings):
        anchor, positive, negative = _at_least_fp32(embeddings).reshape(tasks, -1, 3, embeddings.shape[1]).unbind(dim=2)
        near, far = (distance.rows(anchor, other) for other in (positive, negative))
        hinge = (near - far + margin).clamp_min(0)
        per_task = hinge.mean(dim=1)
    return TripletLoss(
        loss=per_task.mean(),
        per_task=per_task,
        valid=torch.full((tasks,), hinge.shape[1], device=hinge.device),
        active=(hinge > 0).sum(dim=1),
    )


def batch_triplet_loss(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    margin: float | torch.Tensor,
    distance: Distance = UNIT_SQUARED,
    negatives: Negatives = "all",
) -> TripletLoss:
    """Return the exact mean hinge loss over all valid triplets in the batch, or over mined ones, for all tasks.

    A triplet (a, p, n) of a task is valid if all three images are labelled, a and p are different images of one class,
    and n is of another. As in the released code, the mean is over all valid triplets, not only the active ones. With
    mined negatives it is over those that ``mined_counts`` chooses, which ``valid`` then counts.

    Given the set of active triplets, the sum of max(0, d_ap + margin - d_an) is linear in the distances: d_ap counts
    once for each negative of a nearer than d_ap + margin, and d_an counts minus once for each positive beyond
    d_an - margin. Sorting each anchor's distances therefore gives a weight for each pair, and the loss is
    sum(weight * distance) + margin * active, with its exact gradient. The cost is B^2 log B, never B^3.

    Args:
        embeddings: (T, B, D).
        labels: (B, T) integers, -1 = unlabelled.
        margin: The margin, in units of the distance.
        distance: The distance d.
        negatives: Which negatives are taken (``batches.negatives``).
    """
    with _full_precision(embeddings):
        values = _at_least_fp32(embeddings)
        distances = distance.pairs(values)
        positive, negative = _valid_pairs(labels)
        if negatives == "all":
            nearer, farther = _active_counts(distances.detach(), positive, negative, margin)
            valid = (positive.sum(dim=-1) * negative.sum(dim=-1)).sum(dim=-1)
        else:
            nearer, farther, valid = mined_counts(distances.detach(), positive, negative, margin, negatives)
        active = nearer.sum(dim=(1, 2))
        scale = 1 / valid.clamp_min(1).to(values.dtype)
        weights = (nearer - farther).to(values.dtype) * scale[:, None, None]
        per_task = (weights * distances).sum(dim=(1, 2)) + margin * active * scale
        loss = per_task.sum() / (valid > 0).sum().clamp_min(1)
    return TripletLoss(loss=loss, per_task=per_task, valid=valid, active=active)


def _valid_pairs(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two (T, B, B) masks: the columns that are positives and negatives of the anchor in each row."""
    classes = labels.T
    labelled = classes >= 0
    both = labelled[:, :, None] & labelled[:, None, :]
    same = classes[:, :, None] == classes[:, None, :]
    itself = torch.eye(classes.shape[1], dtype=torch.bool, device=classes.device)
    return both & same & ~itself, both & ~same


def _active_counts(
    distances: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float | torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Count, for each pair (T, B, B), the active triplets that contain it as (a, p) and as (a, n).

    A triplet exactly on the margin is not active: at equal thresholds, positives are sorted before negatives by the
    lowest bit of an integer key. Rounding may make the distance of equal images slightly negative; the clamp keeps its
    bits ordered and does not change any count, since all d_ap + margin are above it.
    """
    threshold = torch.where(positive, distances + margin, distances).clamp_min(0)
    keys = ordered_bits(threshold) * 2 + negative
    last = torch.full((), torch.iinfo(torch.int64).max, device=keys.device)  # a number would be copied to a device
    keys = torch.where(positive | negative, keys, last)
    order = keys.argsort(dim=-1)
    negatives_before = negative.gather(-1, order).cumsum(dim=-1)
    positives_before = positive.gather(-1, order).cumsum(dim=-1)
    nearer = scattered(order, negatives_before) * positive
    passed = scattered(order, positives_before)
    farther = (positive.sum(dim=-1, keepdim=True) - passed) * negative
    return nearer, farther


def _full_precision(embeddings: torch.Tensor) -> torch.autocast:
    """Return a context without autocast: bf16 distances would have only three digits."""
    return torch.autocast(embeddings.device.type, enabled=False)


def _at_least_fp32(embeddings: torch.Tensor) -> torch.Tensor:
    return embeddings if embeddings.dtype == torch.float64 else embeddings.float()
