"""The cost of an arm in storage, index size and computation, known before training or allocating anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.backbones import BACKBONES, build_backbone
from trainables.networks.backbones.backbone import Backbone
from trainables.networks.modulation import Modulation
from trainables.networks.multi_task import MultiTaskModel, assemble_model
from trainables.networks.shape_counter import ShapeCounter

BYTES_FP32, BYTES_FP16 = 4, 2


@dataclass(frozen=True)
class Component:
    """Figures of one stage or modulation point over all networks of the arm, or of the whole model.

    Each figure of the whole model is the sum over all components. Figures of the index are therefore given at the stage
    that outputs the embedding, and are 0 elsewhere.

    Attributes:
        name: The stage; for a modulation, the stage it follows.
        kind: The kind of component.
        parameters: Scalars, including frozen modulation vectors. 32 mask bits count as one.
        buffers: Batch-norm running statistics, which are saved but not counted as parameters.
        added_parameters: Parameters in excess of one network without modulation.
        added_parameters_per_task: Parameters that one more task adds if the granularity of the grouping stays the same:
            a task's share of the modulation vectors and, with several networks, of the additional networks.
        embeddings_per_image: Vectors an index stores for one image and all tasks: one if tasks differ at most by the
            last modulation, which can be applied to the stored vector at query time; else one per branch.
        index_numbers_per_image: The numbers in these vectors.
        multiply_adds_per_image: Of convolutions and matrix products (linear layers, attention), for one image and all
            tasks: the trunk once, later stages once per branch, and the matrix products of a form. Products with
            modulation vectors (under 2 % of the time) and the computation of a group's weights (once, not per image)
            are not counted.
        mask_bits: One-bit values; 32 of them count as one parameter.
        mask_words: The parameters they count as, rounded up.
        fixed_bytes: Stored identically at any precision: mask bits, packed eight per byte in each tensor, and integers
            (step counts of torch's batch norm).
    """

    name: str
    kind: Literal["stage", "modulation", "total"]
    parameters: int
    buffers: int
    added_parameters: int
    added_parameters_per_task: float
    embeddings_per_image: int = 0
    index_numbers_per_image: int = 0
    multiply_adds_per_image: int = 0
    mask_bits: int = 0
    mask_words: int = 0
    fixed_bytes: int = 0

    def stored_bytes(self, number: int) -> int:
        """Return the bytes of the saved tensors at ``number`` bytes per number."""
        return number * (self.parameters - self.mask_words + self.buffers) + self.fixed_bytes

    def row(self) -> dict[str, Any]:
        """Return the figures by column of the ``storage`` table."""
        return {
            "component": self.name,
            "kind": self.kind,
            "parameters": self.parameters,
            "added_parameters": self.added_parameters,
            "added_parameters_per_task": self.added_parameters_per_task,
            "bytes_fp32": self.stored_bytes(BYTES_FP32),
            "bytes_fp16": self.stored_bytes(BYTES_FP16),
            "mask_bits": self.mask_bits,
            "embeddings_per_image": self.embeddings_per_image,
            "index_bytes_per_image_fp32": BYTES_FP32 * self.index_numbers_per_image,
            "index_bytes_per_image_fp16": BYTES_FP16 * self.index_numbers_per_image,
            "multiply_adds_per_image": self.multiply_adds_per_image,
        }


@dataclass(frozen=True)
class StorageLedger:
    """All storage figures of an arm.

    ``bytes_fp32`` and ``bytes_fp16`` are those of the tensors in the saved file: parameters and batch-norm running
    statistics; ``parameters`` counts only parameters. See ``Component`` for the other figures.
    """

    components: tuple[Component, ...]

    @property
    def total(self) -> Component:
        """The whole model: the sum of all components."""
        return Component(
            name="total",
            kind="total",
            parameters=sum(part.parameters for part in self.components),
            buffers=sum(part.buffers for part in self.components),
            added_parameters=sum(part.added_parameters for part in self.components),
            added_parameters_per_task=sum(part.added_parameters_per_task for part in self.components),
            embeddings_per_image=sum(part.embeddings_per_image for part in self.components),
            index_numbers_per_image=sum(part.index_numbers_per_image for part in self.components),
            multiply_adds_per_image=sum(part.multiply_adds_per_image for part in self.components),
            mask_bits=sum(part.mask_bits for part in self.components),
            mask_words=sum(part.mask_words for part in self.components),
            fixed_bytes=sum(part.fixed_bytes for part in self.components),
        )

    @property
    def parameters(self) -> int:
        """Scalars of all networks and modulation vectors, including frozen ones."""
        return self.total.parameters

    @property
    def buffers(self) -> int:
        """Batch-norm running statistics of all networks."""
        return self.total.buffers

    @property
    def base_parameters(self) -> int:
        """Parameters of one network without modulation."""
        return self.parameters - self.added_parameters

    @property
    def added_parameters(self) -> int:
        """Parameters in excess of one network without modulation."""
        return self.total.added_parameters

    @property
    def added_parameters_per_task(self) -> float:
        """Parameters that one more task adds, see ``Component``."""
        return self.total.added_parameters_per_task

    @property
    def bytes_fp32(self) -> int:
        """Bytes of the saved tensors, including running statistics, at 4 bytes per number."""
        return self.total.stored_bytes(BYTES_FP32)

    @property
    def bytes_fp16(self) -> int:
        """The same at 2 bytes per number."""
        return self.total.stored_bytes(BYTES_FP16)

    @property
    def embeddings_per_image(self) -> int:
        """Vectors an index stores for one image and all tasks, see ``Component``."""
        return self.total.embeddings_per_image

    @property
    def multiply_adds_per_image(self) -> int:
        """For one image and all tasks, see ``Component``."""
        return self.total.multiply_adds_per_image

    def rows(self, study: str, arm_id: str, arm: str) -> list[dict[str, Any]]:
        """Return the arm's rows of the ``storage`` table: stages, modulation points, then the total."""
        names = {"study": study, "arm_id": arm_id, "arm": arm}
        return [names | component.row() for component in (*self.components, self.total)]


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
