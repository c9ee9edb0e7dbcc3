"""The modulation of a finished trial, read from its weights: for each task, the factor of every channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from trainables.config.trial import TrialConfig
from trainables.networks.modulation.vectors import Scale
from trainables.networks.multi_task import MultiTaskModel, assemble_model
from trainables.networks.retrieval import RetrievalNetwork

Floats = NDArray[np.float32]


class UnreadableWeightsError(ValueError):
    """The weights of a finished trial are missing, damaged, or of another model."""


def task_vectors(config: TrialConfig, weights: Path) -> dict[str, Floats]:
    """Return by modulation point the factors after the activation, ``(T, C)``, with tasks in the study's order.

    Only the tensors of the modulation are read. Empty for arms without modulation and for forms that are not made of
    vectors. Tasks that share a branch have equal rows.

    Args:
        config: The trial.
        weights: Its ``weights.safetensors``.

    Raises:
        UnreadableWeightsError: The file cannot be read, or the model cannot be built here.
    """
    if not config.modulation.points:
        return {}
    try:
        model = assemble_model(config)
        _load_modulation(model, weights)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise UnreadableWeightsError(f"{weights.name}: {error}") from error
    return {
        point: np.stack([_of_task(model.members[model.network_of[task]], task, point) for task in model.tasks])
        for point in model.modulation_points
        if all(isinstance(member.points()[point], Scale) for member in model.members)
    }


def _load_modulation(model: MultiTaskModel, weights: Path) -> None:
    """Load what vectors are made of; the rest of the model stays on the meta device, without memory.

    Raises:
        SafetensorError: The file lacks a part of it.
    """
    with safe_open(weights, framework="pt") as file:
        for prefix, form in model.modulations().items():
            if isinstance(form, Scale):
                form.load_state_dict({name: file.get_tensor(prefix + name) for name in form.state_dict()}, assign=True)


def _of_task(network: RetrievalNetwork, task: str, point: str) -> Floats:
    form = network.points()[point]
    if not isinstance(form, Scale):
        raise TypeError(f"{type(form).__name__} is not made of vectors")
    factors: Floats = form.factors().detach().numpy()[network.branch_of[task]]
    return factors
