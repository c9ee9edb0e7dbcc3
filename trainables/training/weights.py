"""The weights of a finished trial as a safetensors file that says what it is, what was told, and its checksum."""

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
from trainables.foundation.damage import DAMAGE, set_aside
from trainables.foundation.files import write_atomically
from trainables.networks.multi_task import MultiTaskModel
from trainables.training.records import TrialRecords

_CHECKSUM = "crc32"


@dataclass(frozen=True)
class StoredWeights:
    """The tensors as ``MultiTaskModel.load_stored_state`` takes them, and what the trial told on its way."""

    tensors: dict[str, Tensor]
    records: TrialRecords


def save_weights(path: Path, model: MultiTaskModel, config: TrialConfig, trial_id: str, records: TrialRecords) -> None:
    """Write parameters and running statistics in fp32 and masks as bits.

    Trial id, configuration, the trial's records and a checksum of everything are metadata.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.stored_state().items()}
    metadata = {"trial_id": trial_id, "config": config.model_dump_json(), "records": json.dumps(records.to_dict())}
    content = safetensors.torch.save(tensors, {**metadata, _CHECKSUM: _checksum(tensors, metadata)})
    write_atomically(path, lambda file: file.write(content))


def read_weights(path: Path, trial_id: str) -> StoredWeights | None:
    """Read the weights of a finished trial; None when the trial has to be trained, for the file is not there.

    A file that is torn or damaged is renamed to ``<name>.unreadable`` and a warning is logged: training again gives
    the same numbers, only later.

    Raises:
        ValueError: the file holds the weights of another trial.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    try:
        owner, stored = _parse(content)
    except (SafetensorError, *DAMAGE) as damage:
        set_aside(path, "weights", damage)
        return None
    if owner != trial_id:
        raise ValueError(f"{path} holds the weights of trial {owner}, not of {trial_id}: give another workspace")
    return stored


def _parse(content: bytes) -> tuple[str, StoredWeights]:
    """Return whose weights they are, and the weights, once the checksum has been compared."""
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
