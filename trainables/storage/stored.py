"""Accuracy of a trained arm after its network and its index were stored at a precision.

Both are really written and read back, and the accuracy is that of what was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import safetensors.torch
import torch
from torch import Tensor, nn

from trainables.config.identity import trial_id
from trainables.config.runtime import ComputeConfig
from trainables.config.trial import TrialConfig
from trainables.data.preprocessing import Preprocessing
from trainables.evaluation.frozen import FrozenSplit
from trainables.evaluation.measure import embed_split, triplet_metrics
from trainables.networks.multi_task import MultiTaskModel
from trainables.networks.precision import (
    Precision,
    decode_state,
    decode_vectors,
    encode_state,
    encode_vectors,
    vector_bytes,
)
from trainables.outcome import TaskMetric
from trainables.storage.built import network_bytes
from trainables.training.runtime import Runtime, choose_device, trial_runtime
from trainables.training.weights import restored_model
from trainables.trial import Surroundings

SPLIT = "test"


@dataclass(frozen=True)
class Format:
    """At which precision the network is stored, and at which the vectors of its index."""

    network: Precision
    index: Precision


@dataclass(frozen=True)
class StoredResult:
    """What a trial yields in one format.

    Attributes:
        form: The format.
        network_bytes: Of the tensors in the file that was written.
        file_bytes: Of that file, with its table of names.
        index_bytes: Of the vectors of all evaluated images in the file that was written.
        images: Number of these images.
        metrics: Triplet accuracy on the test split; empty if an embedding is not finite after storing.
    """

    form: Format
    network_bytes: int
    file_bytes: int
    index_bytes: int
    images: int
    metrics: tuple[TaskMetric, ...]


@dataclass(frozen=True)
class StoredTrial:
    """A finished trial: its id and configuration, the fingerprint of its data, its kept weights, and the cache."""

    trial_id: str
    config: TrialConfig
    data_fingerprint: str
    weights: Path
    cache: Path


@dataclass
class _IndexEmbedder:
    """Shows evaluation the vectors that an index stores, in place of the embeddings of tasks."""

    model: MultiTaskModel
    training: bool = field(default=False)

    def embed_tasks(self, images: Tensor) -> Tensor:
        return self.model.index_vectors(images)

    def train(self, mode: bool = True) -> object:
        return self.model.train(mode)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.model.parameters()


def measure_stored(trial: StoredTrial, formats: Sequence[Format]) -> tuple[StoredResult, ...]:
    """Store a trained network and the index of the test images in each format, and measure what was read back.

    Queries are stored like the gallery, leave-one-out among the test images as in the trial itself.

    Args:
        trial: The finished trial.
        formats: What to measure.

    Raises:
        ValueError: The weights are missing, damaged or of another trial, the images cannot be read or are others, or a
            format does not exist for the arm.
    """
    config = on_this_machine(trial.config)
    with trial_runtime(config.compute) as runtime, TemporaryDirectory() as folder:
        around = Surroundings.of(config, trial.cache, runtime)
        model, state = _trained(trial, around.dataset.fingerprint)
        frozen = around.evaluator.freeze(SPLIT)
        gallery = _Gallery(frozen, config.compute, config.data.preprocessing, runtime)
        stored = _Stored(model, state, gallery, Path(folder))
        return tuple(map(stored.measure, formats))


@dataclass(frozen=True)
class _Gallery:
    """The test images, and how they are embedded."""

    frozen: FrozenSplit
    compute: ComputeConfig
    preprocessing: Preprocessing
    runtime: Runtime

    def vectors(self, model: MultiTaskModel) -> Tensor:
        """Return what an index stores, float32 ``(V, M, D)``."""
        return embed_split(_IndexEmbedder(model), self.frozen, self.compute, self.preprocessing)


def _trained(trial: StoredTrial, fingerprint: str) -> tuple[MultiTaskModel, dict[str, Tensor]]:
    """Return the model of a trial, and its kept state."""
    if fingerprint != trial.data_fingerprint:
        raise ValueError("data: the images or labels are not those that the trial was trained on")
    model, kept = restored_model(trial.weights, trial.trial_id, trial.config, trial_id(trial.config, fingerprint))
    return model, kept.tensors


def on_this_machine(config: TrialConfig) -> TrialConfig:
    """Return the configuration on a device of this machine, which may not be the one that trained it."""
    try:
        choose_device(config.compute.device)
    except ValueError:
        precision = "fp32" if config.compute.precision == "tf32" else config.compute.precision
        compute = config.compute.model_copy(update={"device": "cpu", "precision": precision})
        return config.model_copy(update={"compute": compute})
    return config


@dataclass(frozen=True)
class _Stored:
    """A trained model that is stored in one format after another."""

    model: MultiTaskModel
    state: dict[str, Tensor]
    gallery: _Gallery
    folder: Path

    def measure(self, form: Format) -> StoredResult:
        """Write network and index, read both back, and measure."""
        network, index = self.folder / "network.safetensors", self.folder / "index.safetensors"
        written = self._write(form.network, network)
        vectors = self.gallery.vectors(self.gallery.runtime.place(self.model))
        safetensors.torch.save_file(encode_vectors(vectors.cpu().contiguous(), form.index), index)
        found = safetensors.torch.load_file(index)
        kept, images, size = vectors.shape
        _check_bytes(found, kept * images * vector_bytes(size, form.index))
        with torch.inference_mode():
            embeddings = self.model.from_index(decode_vectors(found, form.index, size).to(vectors.device))
        metrics = triplet_metrics(embeddings, self.gallery.frozen) if embeddings.isfinite().all() else ()
        return StoredResult(form, written, network.stat().st_size, _bytes(found), images, metrics)

    def _write(self, precision: Precision, path: Path) -> int:
        """Write the network, put what is read back into the model, and return the bytes of the tensors."""
        forecast, two_valued = network_bytes(self.model), self.model.two_valued()
        if precision not in forecast:
            raise ValueError(f"this arm has no modulation of two values, so its network does not exist at {precision}")
        safetensors.torch.save_file(encode_state(self.state, precision, two_valued), path)
        found = safetensors.torch.load_file(path)
        _check_bytes(found, forecast[precision])
        self.model.load_stored_state(decode_state(found, self.state, two_valued))
        return _bytes(found)


def _check_bytes(written: dict[str, Tensor], forecast: int) -> None:
    """Hold what was forecast against what was written: a difference is a fault of ours."""
    if _bytes(written) != forecast:
        raise RuntimeError(f"a file holds {_bytes(written)} bytes, and {forecast} were forecast")


def _bytes(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
