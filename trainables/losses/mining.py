"""Negatives mined in the batch: which of an anchor's negatives its positives are compared with.

All rules are computed from sorted distances, without a value on the host, and without the cube of all triplets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.config.training import Negatives
from trainables.losses.ordering import ordered_bits, scattered


def mined_counts(
    distances: Tensor, positive: Tensor, negative: Tensor, margin: float | Tensor, rule: Negatives
) -> tuple[Tensor, Tensor, Tensor]:
    """Count, for each pair (T, B, B), the active mined triplets that contain it as (a, p) and as (a, n).

    ``hard``: every pair (a, p) with the nearest negative of a (Schroff et al. 2015, "FaceNet", section 3.2).
    ``semi_hard``: with the nearest of the negatives that are farther than p, or the farthest negative if none is (the
    same section asks for such negatives; this choice among them is that of Oh Song et al. 2016's code and of
    TensorFlow's ``triplet_semihard_loss``). ``batch_hard``: only the farthest positive of a, with the nearest negative
    (Hermans, Beyer and Leibe 2017, "In defense of the triplet loss", equation 5).

    Args:
        distances: (T, B, B), detached.
        positive: (T, B, B) whether the column is a positive of the anchor in the row.
        negative: (T, B, B) the same for negatives.
        margin: in units of the distance.
        rule: how negatives are chosen, not ``all``.

    Returns:
        Both counts (T, B, B), and the number of mined triplets of each task (T,).
    """
    keys = ordered_bits(distances.clamp_min(0)) * 2 + positive  # a negative as far as a positive comes before it
    last = torch.full((), torch.iinfo(torch.int64).max, device=keys.device)  # a number would be copied to a device
    order = torch.where(positive | negative, keys, last).argsort(dim=-1)
    near, far = positive.gather(-1, order), negative.gather(-1, order)
    values = distances.gather(-1, order)
    mined = near & far.any(dim=-1, keepdim=True)
    if rule == "batch_hard":
        mined = mined & (_from_the_end(mined.long()) == 1)
    chosen = values.masked_fill(~far, torch.inf)
    nearest = chosen.amin(dim=-1, keepdim=True)
    if rule == "semi_hard":
        beyond = chosen.flip(-1).cummin(dim=-1).values.flip(-1)
        farthest = values.masked_fill(~far, -torch.inf).amax(dim=-1, keepdim=True)
        nearest = torch.where(beyond.isinf(), farthest, beyond)
    active = (mined & (values + margin > nearest)).long()
    uses = _uses_of_next(active, far) if rule == "semi_hard" else _uses_of_first(active, far)
    valid = mined.sum(dim=(-2, -1))
    return scattered(order, active), scattered(order, uses), valid


def _uses_of_first(active: Tensor, far: Tensor) -> Tensor:
    """Return how many active pairs take each negative, in sorted order, if all of an anchor take its first one."""
    first = far & (far.cumsum(dim=-1) == 1)
    return first * active.sum(dim=-1, keepdim=True)


def _uses_of_next(active: Tensor, far: Tensor) -> Tensor:
    """Return how many take each negative if a pair takes the next one, and the last one where none is next."""
    before = active.cumsum(dim=-1)
    at_earlier = torch.where(far, before, 0).cummax(dim=-1).values  # counts rise, so the largest is the latest
    taken = before - torch.cat([torch.zeros_like(before[..., :1]), at_earlier[..., :-1]], dim=-1)
    left = before[..., -1:] - at_earlier[..., -1:]
    is_last = far & (_from_the_end(far.long()) == 1)
    return far * taken + is_last * left


def _from_the_end(counts: Tensor) -> Tensor:
    return counts.flip(-1).cumsum(dim=-1).flip(-1)
