"""``update_agreement``: whether joint training changes a shared filter in the direction that each task wants.

For a filter k of a shared layer (one output channel of a convolution, one row of a linear layer) and a task t, g(k,t)
is the gradient of the task's own loss, and u(k) = weights before - weights after is the actual training step over a
window. Per stage of the backbone:

(a) ``update``: mean over filters of cosine(g(k,t), u(k)), per task;
(b) ``positive_share``: share of filters whose inner product of g(k,t) and u(k) is positive, per task;
(c) ``cosine``: mean over filters of cosine(g(k,s), g(k,t)) per pair of tasks, and ``conflict_share``: share of all
    (pair, filter) cases in which that cosine is negative.

This measure is the project's own. Optimizers that rescale gradients (Adagrad, Adam) also rescale u(k), as intended: u
is the actual change. A filter whose gradient or step is zero has no direction and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

PREFIX = "update_agreement"


@dataclass(frozen=True)
class StageAgreement:
    """The statistics of one stage for T tasks; NaN if no filter has a direction.

    Attributes:
        update: (T,) mean cosine between a task's gradient and the step taken.
        positive_share: (T,) share of filters with a positive inner product of the two.
        cosine: (T, T) mean cosine between the gradients of two tasks.
        conflicts: Number of (pair of tasks, filter) cases with a negative cosine.
        comparisons: Total number of such cases.
    """

    update: Tensor
    positive_share: Tensor
    cosine: Tensor
    conflicts: int
    comparisons: int


def stage_agreement(gradients: Sequence[Tensor], steps: Sequence[Tensor]) -> StageAgreement:
    """Compute the statistics of one stage from its layers.

    Args:
        gradients: For each layer (T, K, ...): gradient of each task's loss for each of the K filters.
        steps: For each layer (K, ...): weights before the window minus weights after it.
    """
    pairs, updates = [], []
    for gradient, step in zip(gradients, steps, strict=True):
        wanted, wants = _directions(gradient.flatten(2))
        done, moved = _directions(step.flatten(1))
        cosines = torch.einsum("skf,tkf->stk", wanted, wanted)
        pairs.append(cosines.masked_fill(~(wants[:, None] & wants[None]), torch.nan))
        updates.append(torch.einsum("tkf,kf->tk", wanted, done).masked_fill(~(wants & moved), torch.nan))
    cosine, update = torch.cat(pairs, dim=2), torch.cat(updates, dim=1)
    first, second = torch.triu_indices(len(cosine), len(cosine), offset=1, device=cosine.device)
    between = cosine[first, second]
    return StageAgreement(
        update=update.nanmean(dim=1).cpu(),
        positive_share=((update > 0).sum(dim=1) / (~update.isnan()).sum(dim=1)).cpu(),
        cosine=cosine.nanmean(dim=2).cpu(),
        conflicts=int((between < 0).sum()),
        comparisons=int((~between.isnan()).sum()),
    )


def agreement_metrics(stage: str, tasks: Sequence[str], agreement: StageAgreement) -> dict[str, float]:
    """Return the statistics of one stage per task and pair as epoch metrics; undefined values are left out."""
    named: dict[str, Tensor] = {}
    for index, task in enumerate(tasks):
        named[f"update/{stage}/{task}"] = agreement.update[index]
        named[f"positive_share/{stage}/{task}"] = agreement.positive_share[index]
    for (i, first), (j, second) in combinations(enumerate(tasks), 2):
        named[f"cosine/{stage}/{first}:{second}"] = agreement.cosine[i, j]
    return {f"{PREFIX}/{name}": float(value) for name, value in named.items() if not value.isnan()}


def conflict_metrics(stage: str, agreements: Sequence[StageAgreement]) -> dict[str, float]:
    """Return the share of conflicts of one stage over all networks; nothing if no network has two tasks."""
    comparisons = sum(agreement.comparisons for agreement in agreements)
    conflicts = sum(agreement.conflicts for agreement in agreements)
    return {f"{PREFIX}/conflict_share/{stage}": conflicts / comparisons} if comparisons else {}


def _directions(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit vectors (..., F), and which vectors are not zero; in float64, where squares of tiny values fit."""
    exact = (vectors.cpu() if vectors.device.type == "mps" else vectors).double()  # mps has no float64
    lengths = exact.norm(dim=-1)
    return exact / lengths.clamp_min(torch.finfo(torch.float64).tiny)[..., None], lengths > 0
