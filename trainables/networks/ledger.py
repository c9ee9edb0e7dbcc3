"""The cost of an arm in storage, index size and computation, known before training or allocating anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.modulation import InitializationConfig, ModulationConfig, Partition
from trainables.config.network import NetworkConfig
from trainables.config.registries import FORMS
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import BACKBONES, build_backbone
from trainables.networks.backbones.backbone import Backbone
from trainables.networks.components import Component, StorageLedger
from trainables.networks.modulation import Modulation
from trainables.networks.multi_task import MultiTaskModel, assemble_model
from trainables.networks.shape_counter import ShapeCounter


def storage_ledger(config: TrialConfig) -> StorageLedger:
    """Return the storage figures of a trial's model from its configuration alone; allocates no weights.

    Raises:
        ValueError: If the backbone or a modulation point is unknown, or the images are too small.

    Example:
        >>> config = TrialConfig.model_validate(
        ...     {"data": {"tasks": ("smile", "hat"), "image_size": 48}, "modulation": {"points": ("fc",)}}
        ... )
        >>> storage_ledger(config).added_parameters
        512
    """
    network = config.network
    alike = network.backbone in BACKBONES.built_in or network.imported  # an imported function is told nothing of arms
    known_code = alike and config.modulation.form in FORMS.built_in
    return _ledger_of(_Structure.of(config)) if known_code else _counted(config)


_NO_START: dict[str, Any] = {
    name: field.default
    for name, field in InitializationConfig.model_fields.items()
    if name not in ("kind", "trainable")
}
"""The values that vectors start at, at their defaults."""


@dataclass(frozen=True)
class _Structure:
    """What determines the figures of networks and forms of this package: many arms differ in start values alone."""

    network: NetworkConfig
    image_size: int
    tasks: tuple[str, ...]
    network_groups: Partition
    modulation: ModulationConfig
    config: TrialConfig = field(compare=False)

    @classmethod
    def of(cls, config: TrialConfig) -> _Structure:
        start = config.modulation.initialization.model_copy(update=_NO_START)
        values = {"initialization": start, "score_steps": 1.0, "rate_factor": 1.0}
        modulation = config.modulation.model_copy(update=values)
        return cls(config.network, config.data.image_size, config.data.tasks, config.network_groups, modulation, config)


@lru_cache(maxsize=1024)
def _ledger_of(structure: _Structure) -> StorageLedger:
    return _counted(structure.config)


def _counted(config: TrialConfig) -> StorageLedger:
    """Return the figures of a model that is built on the meta device."""
    model = assemble_model(config)
    work = dict(_stage_multiply_adds(config.network, config.data.image_size))
    stages = [_stage(model, name, multiply_adds) for name, multiply_adds in work.items()]
    shapes = {shape.name: shape for shape in model.members[0].backbone.shapes}
    modulations = [
        _modulation(model, point, shapes[point].height * shapes[point].width) for point in model.modulation_points
    ]
    return StorageLedger((*stages, *modulations))


def _stage(model: MultiTaskModel, name: str, multiply_adds: int) -> Component:
    networks = len(model.members)
    backbone = model.members[0].backbone
    parameters = _numbers(backbone.stage_parameters(name))
    numbers, counters = _split(backbone.stage_buffers(name))
    added = (networks - 1) * parameters
    runs = sum(1 if name in network.trunk else network.branches for network in model.members)
    # An index stores as many vectors as the last stage has runs: its own modulation can be applied at query time.
    embeddings = runs if name == backbone.shapes[-1].name else 0
    return Component(
        name=name,
        kind="stage",
        parameters=networks * parameters,
        buffers=networks * _numbers(numbers),
        fixed_bytes=networks * sum(counter.nbytes for counter in counters),
        added_parameters=added,
        added_parameters_per_task=added / (len(model.tasks) - 1) if networks > 1 else 0.0,
        embeddings_per_image=embeddings,
        index_numbers_per_image=embeddings * model.embedding_size,
        multiply_adds_per_image=runs * multiply_adds,
    )


def _modulation(model: MultiTaskModel, point: str, pixels: int) -> Component:
    modulations = [network.points()[point] for network in model.members]
    masks = [bits for modulation in modulations for bits in modulation.mask_bits().values()]
    words = -(-sum(masks) // 32)
    stored = [tensor for modulation in modulations for tensor in _stored(modulation, modulation.named_parameters())]
    buffers = [tensor for modulation in modulations for tensor in _stored(modulation, modulation.named_buffers())]
    numbers, counters = _split(buffers)
    parameters = _numbers(stored) + words
    others = max(1, len(model.tasks) - 1) if modulations[0].keeps_first else len(model.tasks)
    return Component(
        name=point,
        kind="modulation",
        parameters=parameters,
        buffers=_numbers(numbers),
        added_parameters=parameters,
        added_parameters_per_task=parameters / others,
        multiply_adds_per_image=sum(
            network.branches * network.points()[point].multiply_adds(pixels) for network in model.members
        ),
        mask_bits=sum(masks),
        mask_words=words,
        fixed_bytes=sum(-(-bits // 8) for bits in masks) + sum(counter.nbytes for counter in counters),
    )


def _stored(modulation: Modulation, named: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
    """Return the tensors that are stored unchanged, not as bits."""
    unstored = modulation.unstored()
    return [tensor for name, tensor in named if name not in unstored]


def _split(buffers: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return floating-point buffers, and integer ones."""
    known = list(buffers)
    return [b for b in known if b.is_floating_point()], [b for b in known if not b.is_floating_point()]


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


@lru_cache(maxsize=64)
def _stage_multiply_adds(network: NetworkConfig, image_size: int) -> tuple[tuple[str, int], ...]:
    """Return each stage's multiply-adds for one image, counted on the meta device, operation by operation.

    Backbones of this package are counted from shapes, which is quick; torch counts all others, attention included.
    """
    with torch.device("meta"), torch.no_grad():
        backbone = build_backbone(network, image_size).eval()
        if network.backbone in BACKBONES.built_in:
            with ShapeCounter() as quick:
                work = _by_stage(backbone, image_size, lambda: quick.multiply_adds)
            assert quick.complete, network.backbone  # noqa: S101 - a new operation of a backbone of ours needs a shape
            return work
        with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: _matrix_vector}) as counter:
            return _by_stage(backbone, image_size, lambda: counter.get_total_flops() // 2)


def _by_stage(backbone: Backbone, image_size: int, counted: Callable[[], int]) -> tuple[tuple[str, int], ...]:
    """Return the increase of ``counted`` in each stage."""
    work: list[tuple[str, int]] = []

    def stage_ends(name: str, features: Tensor) -> Tensor:
        work.append((name, counted() - sum(count for _, count in work)))
        return features

    backbone.run(torch.empty(1, 3, image_size, image_size), stage_ends)
    return tuple(work)


def _matrix_vector(matrix: tuple[int, int], *_: Any, **__: Any) -> int:
    """Return the operations of a matrix-vector product, two per multiply-add; torch counts only matrix products."""
    return 2 * matrix[0] * matrix[1]
