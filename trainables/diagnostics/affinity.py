"""Inter-task affinity: how much a step on one task helps another, and whether the tasks' gradients agree.

Affinity is defined as in TAG (Fifty et al., NeurIPS 2021, arXiv 2109.04617, section 4). With the shared weights w, the
learning rate r and the loss L_j of task j on one batch,

    Z(i -> j) = (1 - L_j(w - r * gradient of L_i) / L_j(w)) / r

If positive, a gradient descent step on i alone would have lowered the loss of j on that batch. Dividing by the rate, as
in the released code, makes steps comparable regardless of the learning-rate schedule. Unlike here, the look-ahead step
of the released code includes the momentum of the joint training. The cosine of two tasks is the cosine between their
gradients with respect to all shared weights, each taken as one vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class StepAffinity:
    """The measurements of one batch for T tasks, in float64 on the CPU; NaN for pairs with a task without a loss.

    Attributes:
        affinity: (T, T), ``[i, j]`` is Z(i -> j).
        cosine: (T, T), symmetric, over all shared weights.
        stage_cosine: The same over the weights of each stage.
    """

    affinity: Tensor
    cosine: Tensor
    stage_cosine: dict[str, Tensor]


def affinities(before: Tensor, after: Tensor, rate: float) -> Tensor:
    """Return Z (T, T) in float64; NaN in rows and columns of tasks whose loss is not positive.

    Such a task has no triplet in the batch to learn from: it takes no step and has nothing to gain.

    Args:
        before: (T,) losses at the shared weights.
        after: (T, T), row i: the losses after a step on task i alone.
        rate: Learning rate of that step, positive.
    """
    start = before.cpu().double()
    values = (1 - after.cpu().double() / start) / rate
    learning = start > 0
    return values.masked_fill(~(learning[:, None] & learning), torch.nan)


def gradient_cosines(gradients: Sequence[Tensor]) -> Tensor:
    """Return the cosines (T, T) between the tasks' gradients, in float64; NaN where a gradient is zero.

    Args:
        gradients: For each weight tensor (T, ...): each task's gradient; together they form one vector per task.
    """
    vectors = torch.cat([gradient.flatten(1).cpu().double() for gradient in gradients], dim=1)
    lengths = vectors.norm(dim=1)
    directed = lengths > 0
    cosines: Tensor = (vectors @ vectors.T) / (lengths[:, None] * lengths)
    return cosines.masked_fill(~(directed[:, None] & directed), torch.nan)


class LookAhead:
    """Weights after a gradient descent step, inside a ``with`` block; on exit the old ones are restored bit for bit."""

    def __init__(self, weights: Sequence[nn.Parameter], gradients: Sequence[Tensor], rate: float) -> None:
        self._weights, self._gradients, self._rate = weights, gradients, rate

    def __enter__(self) -> None:
        self._before = [weight.detach().clone() for weight in self._weights]
        with torch.no_grad():
            for weight, gradient in zip(self._weights, self._gradients, strict=True):
                weight.sub_(gradient, alpha=self._rate)

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for weight, before in zip(self._weights, self._before, strict=True):
                weight.copy_(before)


class NanMean:
    """The elementwise mean of tensors of one shape, ignoring NaN."""

    def __init__(self, shape: Sequence[int]) -> None:
        self._sum = torch.zeros(tuple(shape), dtype=torch.float64)
        self.counts = torch.zeros(tuple(shape), dtype=torch.int64)

    def add(self, values: Tensor) -> None:
        """Add a tensor."""
        known = ~values.isnan()
        self._sum += values.masked_fill(~known, 0.0)
        self.counts += known

    def mean(self) -> Tensor:
        """Return the mean; NaN for elements without values."""
        return self._sum / self.counts
