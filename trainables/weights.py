"""The weights of a finished trial as a safetensors file that says what it is."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open

from trainables.checkpoint import write_atomically
from trainables.config import TrialConfig
from trainables.network import MultiTaskModel


def save_weights(path: Path, model: MultiTaskModel, config: TrialConfig, trial_id: str) -> None:
    """Write parameters and running statistics in fp32 and masks as bits; trial id and configuration are metadata."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.stored_state().items()}
    metadata = {"trial_id": trial_id, "config": config.model_dump_json()}
    content = safetensors.torch.save(tensors, metadata)
    write_atomically(path, lambda file: file.write(content))


def load_weights(path: Path, model: MultiTaskModel, trial_id: str) -> None:
    """Put the saved weights of a trial into its model.

    Raises:
        ValueError: the file is damaged, or holds the weights of another trial.
    """
    try:
        with safe_open(path, framework="pt") as file:
            owner = (file.metadata() or {}).get("trial_id")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}); delete it to train the trial again") from error
    if owner != trial_id:
        raise ValueError(f"{path} holds the weights of trial {owner}, not of {trial_id}: give another workspace")
    model.load_stored_state(tensors)
