"""Networks with drawn weights and their manifests: what packs, indexes and services are tried on without training."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.packs.exporting import Facts
from trainables.packs.manifest import DataFacts, Provenance

_PROVENANCE = dict.fromkeys(set(Provenance.model_fields) - {"seed"}, "drawn")


def facts(classes: Mapping[str, tuple[str, ...]] | None = None, source: str = "generated") -> Facts:
    """Return what a manifest says of a network that nobody trained."""
    provenance = Provenance.model_validate({**_PROVENANCE, "seed": 1})
    return Facts(provenance=provenance, data=DataFacts(source=source), classes=dict(classes or {}))


def drawn_model(config: TrialConfig, seed: int = 0, spread: float = 0.1) -> MultiTaskModel:
    """Return a model in evaluation mode as if it were trained: every number is drawn, and no two groups are alike.

    Args:
        config: Of the network.
        seed: Of what is drawn.
        spread: Width of what is added to each weight.
    """
    model, generator = build_model(config), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.rand(tensor.shape, generator=generator)
                positive = name.endswith(("running_var", "own_variance"))
                tensor.copy_(0.5 + drawn if positive else tensor + spread * (drawn - 0.5))
    model.load_stored_state(model.stored_state())  # scores of masks are kept as bits
    return model.eval()
