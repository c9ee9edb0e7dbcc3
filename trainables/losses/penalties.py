"""The two penalties of Conditional Similarity Networks, which keep embeddings and masks small.

The released code (github.com/andreasveit/conditional-similarity-networks, ``csn.py``, ``main.py``) adds two terms to
the loss: 5e-3 times the mean over anchor, far and close of |E|_F / sqrt(B), with E the batch (B, D) of embeddings
before the mask; and 5e-4 times the mean over the three of |M|_1 / B, with M (B, D) the masks of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainables.networks.multi_task import MultiTaskModel

ROLES = 3
"""Anchor, positive and negative, which alternate in a batch of given triplets."""


@contextmanager
def captured_embeddings(model: MultiTaskModel) -> Iterator[list[Tensor]]:
    """Collect the outputs of the last stage of each network, in the order of their forward passes.

    Each output is the embedding before its own modulation and before normalisation, (N, D) with its graph.
    """
    outputs: list[Tensor] = []
    for network in model.members:
        network.captured = outputs
    try:
        yield outputs
    finally:
        for network in model.members:
            network.captured = None


def triplet_embedding_l2(outputs: list[Tensor], passes: str = "mixed") -> Tensor:
    """Return the mean over the three roles of |E|_F / sqrt(B), with E (B, D) the embeddings of all triplets in a role.

    Args:
        outputs: Outputs captured from ``embed_mixed``. With passes ``mixed``, parts of whole triplets that alternate
            between anchor, positive and negative; with ``separate``, equally many parts per role, role by role.
        passes: ``batches.passes`` of the trial.
    """
    embeddings = torch.cat([output.float() for output in outputs])
    layout = (-1, ROLES) if passes == "mixed" else (ROLES, -1)
    squares = embeddings.square().sum(dim=1).view(layout)
    by_role = squares.sum(dim=0 if passes == "mixed" else 1)
    length: Tensor = (by_role * ROLES / len(embeddings)).sqrt().mean()
    return length


def shared_embedding_l2(model: MultiTaskModel, outputs: list[Tensor], images: int) -> Tensor:
    """Return the mean over tasks of |E_t|_F / sqrt(B), with E_t (B, D) the task's embeddings of all B images.

    Args:
        model: The model, in training mode and with all its tasks.
        outputs: Outputs captured from one ``embed_tasks`` call: B rows per network, or B per branch in turn.
        images: The number of images B.
    """
    lengths = []
    for network, output in zip(model.members, outputs, strict=True):
        branches = output.float().view(-1, images, output.shape[1])
        by_branch = (branches.square().sum(dim=(1, 2)) / images).sqrt()
        lengths += [by_branch[network.branch_of[task] if len(by_branch) > 1 else 0] for task in network.tasks]
    return torch.stack(lengths).mean()


def mask_l1(model: MultiTaskModel) -> Tensor:
    """Return the mean over tasks of ``Modulation.magnitude``, summed over modulation points; 0 without modulation.

    All tasks have the same share of a batch in both schemes, so this equals the mean over the masks of the batch.
    """
    device = next(model.parameters()).device
    total = torch.zeros((), device=device)
    for network in model.members:
        groups = network.groups_of_tasks(device)
        for modulation in network.points().values():
            total = total + modulation.magnitude(groups).sum()
    return total / len(model.tasks)
