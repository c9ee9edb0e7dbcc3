"""The weights of a finished trial as a safetensors file, with its configuration, its records and a checksum."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.failures import shortage
from trainables.foundation.damage import DAMAGE, set_aside
from trainables.foundation.files import write_atomically
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.training.records import TrialRecords

_CHECKSUM = "crc32"


@dataclass(frozen=True)
class StoredWeights:
    """The tensors for ``MultiTaskModel.load_stored_state``, and the records of the trial."""

    tensors: dict[str, Tensor]
    records: TrialRecords


def save_weights(path: Path, model: MultiTaskModel, config: TrialConfig, trial_id: str, records: TrialRecords) -> None:
    """Write parameters and running statistics in fp32, and masks as bits.

    The metadata contains trial id, configuration, the trial's records and a checksum of everything.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.stored_state().items()}
    metadata = {"trial_id": trial_id, "config": config.model_dump_json(), "records": json.dumps(records.to_dict())}
    content = safetensors.torch.save(tensors, {**metadata, _CHECKSUM: _checksum(tensors, metadata)})
    write_atomically(path, lambda file: file.write(content))


def read_weights(path: Path, trial_id: str, *same: str) -> StoredWeights | None:
    """Read the weights of a finished trial; None if there are none and the trial has to be trained.

    A truncated or damaged file is renamed to ``<name>.unreadable`` with a logged warning: training again gives the same
    numbers, only later.

    Args:
        path: The file; it may not exist.
        trial_id: The trial.
        same: Other ids under which earlier versions knew the same trial.

    Raises:
        ValueError: the file contains the weights of another trial.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        owner, stored = _parse(content)
    except (SafetensorError, *DAMAGE) as damage:
        if shortage(damage) is not None:  # the file may be intact, so another attempt can read it
            raise
        set_aside(path, "weights", damage)
        return None
    if owner not in (trial_id, *same):
        raise ValueError(f"{path} contains the weights of trial {owner}, not of {trial_id}: use another workspace")
    return stored


def restored_model(path: Path, trial_id: str, config: TrialConfig, *same: str) -> tuple[MultiTaskModel, StoredWeights]:
    """Return the model of a finished trial, in evaluation mode on the CPU, and what its file holds.

    Args:
        path: The file.
        trial_id: The trial.
        config: Its configuration.
        same: Other ids of the same trial, see ``read_weights``.

    Raises:
        ValueError: The weights are missing, damaged or of another trial, or the network cannot be built here.
    """
    kept = read_weights(path, trial_id, *same)
    if kept is None:
        raise ValueError(f"{path}: no readable weights; to train it again, remove its folder, then: modstudy run")
    model = build_model(config)
    model.load_stored_state(kept.tensors)
    return model.eval(), kept


def _parse(content: bytes) -> tuple[str, StoredWeights]:
    """Verify the checksum, then return the id of the trial and its weights."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata: dict[str, str] = dict(header["__metadata__"])
    tensors = safetensors.torch.load(content)
    if metadata.pop(_CHECKSUM) != _checksum(tensors, metadata):
        raise ValueError("the checksum does not match")
    return metadata["trial_id"], StoredWeights(tensors, TrialRecords.from_dict(json.loads(metadata["records"])))


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the CRC-32 of names, types, shapes and bytes of the tensors, and of the metadata."""
    checksum = zlib.crc32(json.dumps(metadata, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), checksum)
        checksum = zlib.crc32(tensor.numpy().tobytes(), checksum)
    return f"{checksum:08x}"
