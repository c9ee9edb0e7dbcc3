"""The network of one task as a plain one."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from trainables.networks.modulation.inside import InsideModulation
from trainables.networks.multi_task import MultiTaskModel
from trainables.networks.retrieval import RetrievalNetwork, at_least_fp32, normalize
from trainables.packs.errors import PackError
from trainables.packs.folding.errors import NotFoldableError
from trainables.packs.folding.inside import fold_layer
from trainables.packs.folding.outputs import fold_output, linear_of
from trainables.packs.folding.places import around


class Finish(nn.Module):
    """Makes unit vectors of embeddings, if the network does."""

    def __init__(self, *, normalized: bool) -> None:
        super().__init__()
        self._finish = normalize if normalized else at_least_fp32

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map ``(B, D)`` to ``(B, D)``."""
        return self._finish(embeddings)


@torch.no_grad()
def folded_network(model: MultiTaskModel, task: str, *, normalized: bool) -> nn.Sequential:
    """Return a plain network that embeds as the model does for a task; the model is used up.

    Raises:
        PackError: At a stage, no weights of the backbone do what the form does; names stage, form and reason.
    """
    network = model.members[model.network_of[task]]
    group = network.branch_of[task]
    for stage, modulation in network.points().items():
        try:
            _fold(network, stage, group)
        except NotFoldableError as error:
            form = type(modulation).__name__
            raise PackError(
                f"task {task}: {form} at stage {stage} cannot be folded into weights: {error}; use it unfolded"
            ) from None
    parts = OrderedDict[str, nn.Module](backbone=network.backbone, finish=Finish(normalized=normalized))
    return nn.Sequential(parts).eval()


def _fold(network: RetrievalNetwork, stage: str, group: int) -> None:
    modulation = network.points()[stage]
    if not isinstance(modulation, InsideModulation):
        fold_output(linear_of(modulation, group), around(network.backbone, stage))
        return
    for adapted in modulation.adapted:
        fold_layer(adapted.adapter, adapted.layer, group)
        del adapted.layer.__dict__["forward"]
