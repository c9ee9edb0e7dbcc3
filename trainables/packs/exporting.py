"""Writes a trained network into a folder of packs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.networks.backbones import stage_shapes
from trainables.networks.multi_task import MultiTaskModel
from trainables.networks.precision import Precision, encode_state
from trainables.networks.retrieval import RetrievalNetwork
from trainables.packs.errors import PackError
from trainables.packs.manifest import (
    MANIFEST,
    DataFacts,
    ImageSettings,
    Manifest,
    Metrics,
    PackedGroup,
    PackedModel,
    PackedNetwork,
    Provenance,
    Stage,
    TensorFile,
    WrittenBytes,
    locked,
    read_manifest,
    write_manifest,
)
from trainables.packs.parts import NetworkParts, split_state, two_values
from trainables.packs.tensor_files import sweep, write_tensors
from trainables.storage.built import network_bytes


@dataclass(frozen=True)
class Facts:
    """What a manifest says besides the network itself."""

    provenance: Provenance
    data: DataFacts
    classes: dict[str, tuple[str, ...]]
    metrics: Metrics | None = None


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained model, its configuration, and the precision at which it is stored."""

    model: MultiTaskModel
    config: TrialConfig
    precision: Precision = "fp32"


def export_network(folder: Path, name: str, trained: TrainedNetwork, facts: Facts) -> PackedModel:
    """Write a network into a folder, beside those that are there; one of the same name is replaced.

    Tensors are written first and the manifest last, each in one step: whenever the writer is killed, the folder is as
    before or complete.

    Raises:
        PackError: The folder holds another kind of manifest, or the precision does not exist for the network.
    """
    predicted = network_bytes(trained.model)
    if trained.precision not in predicted:
        raise PackError(
            f"precision: no modulation takes two values, so there is no {trained.precision}; use int8 or fp16"
        )
    with locked(folder):
        before = read_manifest(folder).models if (folder / MANIFEST).exists() else {}
        networks = _write(folder, trained)
        packed = _described(trained, facts, networks, _counted(trained, predicted[trained.precision], networks))
        manifest = Manifest(models={**before, name: packed})
        write_manifest(folder, manifest)
        sweep(folder, (sha256 for model in manifest.models.values() for sha256 in model.files))
    return packed


def _write(folder: Path, trained: TrainedNetwork) -> tuple[PackedNetwork, ...]:
    model = trained.model
    parts = split_state(model, model.stored_state())
    return tuple(
        _network(_Writer(folder, trained.precision, model, index), network, part)
        for index, (network, part) in enumerate(zip(model.members, parts, strict=True))
    )


@dataclass(frozen=True)
class _Writer:
    """Writes the parts of one network at a precision."""

    folder: Path
    precision: Precision
    model: MultiTaskModel
    index: int

    def file(self, part: dict[str, Tensor]) -> TensorFile:
        return write_tensors(self.folder, encode_state(part, self.precision, two_values(self.model, self.index)))


def _network(writer: _Writer, network: RetrievalNetwork, parts: NetworkParts) -> PackedNetwork:
    groups = [
        PackedGroup(
            tasks=tuple(task for task in network.tasks if network.branch_of[task] == branch),
            first=branch == 0,
            pack=writer.file(part) if part else None,
        )
        for branch, part in enumerate(parts.groups)
    ]
    return PackedNetwork(backbone=writer.file(parts.backbone), groups=tuple(groups))


def _files(network: PackedNetwork) -> list[TensorFile]:
    return [network.backbone, *(group.pack for group in network.groups if group.pack is not None)]


def _counted(trained: TrainedNetwork, predicted: int, networks: tuple[PackedNetwork, ...]) -> WrittenBytes:
    """Hold what was written against the ledger: a difference is a fault of ours."""
    every = [file for network in networks for file in _files(network)]
    tensors, distinct = sum(file.tensor_bytes for file in every), {file.sha256: file for file in every}.values()
    padding = _padding(trained)
    if tensors != predicted + padding:
        raise RuntimeError(f"the packs hold {tensors} bytes, and {predicted} + {padding} were forecast")
    once, files = sum(file.tensor_bytes for file in distinct), sum(file.bytes for file in distinct)
    return WrittenBytes(
        predicted=predicted,
        padding=padding,
        tensors=tensors,
        repeated=tensors - once,
        headers=files - once,
        files=files,
    )


def _padding(trained: TrainedNetwork) -> int:
    """Return the bytes by which bits of groups, each in whole bytes, exceed the bits of all groups together."""
    model = trained.model
    extra = 0
    for prefix, modulation in model.modulations().items():
        groups = model.members[int(prefix.split(".")[1])].branches
        names = modulation.two_valued() if trained.precision == "1bit" else {}
        bits = [*modulation.mask_bits().values(), *(modulation.get_parameter(name).numel() for name in names)]
        extra += sum(groups * -(-count // groups // 8) - -(-count // 8) for count in bits)
    return extra


def _described(
    trained: TrainedNetwork, facts: Facts, networks: tuple[PackedNetwork, ...], written: WrittenBytes
) -> PackedModel:
    config, data = trained.config, trained.config.data
    shapes = stage_shapes(config.network, data.image_size)
    return PackedModel(
        network=config.network.model_copy(update={"weights": None, "folder": None}),
        stages=tuple(Stage(name=s.name, channels=s.channels, height=s.height, width=s.width) for s in shapes),
        images=ImageSettings(
            size=data.image_size, fit=data.fit, preprocessing=data.preprocessing, max_pixels=data.max_pixels
        ),
        modulation=config.modulation.model_copy(update={"groups": ()}),
        normalize=config.loss.normalize,
        channels_last=config.compute.channels_last,
        precision=trained.precision,
        networks=networks,
        classes={task: facts.classes.get(task) for task in data.tasks},
        bytes=written,
        metrics=facts.metrics,
        provenance=facts.provenance,
        data=facts.data,
    )
