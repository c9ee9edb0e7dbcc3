"""The model of a trial: one retrieval network per group of tasks that share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.foundation.registry import look_up
from trainables.networks.backbones import build_backbone, stage_shapes
from trainables.networks.modulation import Modulation
from trainables.networks.modulation.layout import RowLayout, layout_of
from trainables.networks.precision import TwoValues
from trainables.networks.retrieval import RetrievalNetwork, normalize

__all__ = ["MultiTaskModel", "RetrievalNetwork", "assemble_model", "build_model", "normalize"]


class MultiTaskModel(nn.Module):
    """One retrieval network per network group; a fully shared model has one."""

    def __init__(self, networks: Sequence[RetrievalNetwork], tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.networks = nn.ModuleList(networks)
        self.network_of = {
            task: index for task in self.tasks for index, network in enumerate(networks) if task in network.tasks
        }

    @property
    def members(self) -> list[RetrievalNetwork]:
        """The networks, in the order of the configuration's network groups."""
        return cast("list[RetrievalNetwork]", list(self.networks))

    @property
    def embedding_size(self) -> int:
        """D, the length of an embedding."""
        return self.members[0].backbone.shapes[-1].channels

    @property
    def modulation_points(self) -> tuple[str, ...]:
        """Names of the modulated stages, in the backbone's order."""
        return tuple(self.members[0].points())

    def initialize(self, seed: int) -> None:
        """Set all parameters and buffers; ValueError if an initialization does not fit the number of groups."""
        for index, network in enumerate(self.members):
            network.initialize(seed, index)

    def embed_tasks(self, images: Tensor, task_names: Sequence[str] | None = None) -> Tensor:
        """Embed all images for all tasks; see ``RetrievalNetwork.embed_tasks``.

        Args:
            images: ``(B, 3, H, W)``.
            task_names: Tasks to embed for, in this order; None means all, in the order of the configuration.

        Returns:
            Embeddings, unit vectors if ``loss.normalize``, ``(T, B, D)``.

        Raises:
            ValueError: If a task is unknown.
        """
        wanted = self.tasks if task_names is None else tuple(task_names)
        involved = {look_up("task", task, self.network_of) for task in wanted}
        embedded: dict[str, Tensor] = {}
        for index in sorted(involved):
            network = self.members[index]
            own = [task for task in network.tasks if task in wanted]
            embedded.update(zip(own, network.embed_tasks(images, own), strict=True))
        return torch.stack([embedded[task] for task in wanted])

    def index_vectors(self, images: Tensor) -> Tensor:
        """Return the vectors that an index stores for images ``(B, 3, H, W)``: ``(V, B, D)``, network by network."""
        return torch.cat([network.index_vectors(images) for network in self.members])

    def from_index(self, vectors: Tensor) -> Tensor:
        """Return the embeddings of all tasks ``(T, B, D)``, in their order, from ``index_vectors``."""
        by_task: dict[str, Tensor] = {}
        start = 0
        for network in self.members:
            count = 1 if network.modulates_stored_vectors else network.branches
            own = network.from_index(vectors[start : start + count])
            by_task.update(zip(network.tasks, own, strict=True))
            start += count
        return torch.stack([by_task[task] for task in self.tasks])

    def embed_mixed(self, images: Tensor, task_index: Tensor) -> Tensor:
        """Embed each image for its own task, in one forward pass of each network that has tasks in the batch.

        Args:
            images: ``(B, 3, H, W)``.
            task_index: ``(B,)`` indices into ``tasks``, int64. If its layout is noted (``modulation.layout``), nothing
                is read from the device.

        Returns:
            Embeddings, unit vectors if ``loss.normalize``, ``(B, D)``.
        """
        if len(self.networks) == 1:
            return self.members[0].embed_mixed(images, task_index)
        device = images.device
        tasks = layout_of(task_index) or RowLayout(task_index.tolist())
        networks = tasks.mapped([self.network_of[task] for task in self.tasks])
        place = {task: place for network in self.members for place, task in enumerate(network.tasks)}
        places = tasks.mapped([place[task] for task in self.tasks])
        parts = []
        for index, network in enumerate(self.members):
            if index in networks.values:
                own = places.among(networks, index).index(device)
                parts.append(network.embed_mixed(images[networks.rows_of(index, device)], own))
        return torch.cat(parts)[networks.back(device)]

    def stage_parameters(self) -> dict[str, list[nn.Parameter]]:
        """Return by stage the shared parameters of all networks, without modulation."""
        backbones = [network.backbone for network in self.members]
        return {
            shape.name: [parameter for backbone in backbones for parameter in backbone.stage_parameters(shape.name)]
            for shape in backbones[0].shapes
        }

    def stored_state(self) -> dict[str, Tensor]:
        """Return the state in its stored form: masks as packed bits, without the scores that only training needs."""
        state = dict(self.state_dict())
        for prefix, modulation in self.modulations().items():
            for name in modulation.unstored():
                del state[prefix + name]
            state |= {prefix + name: bits for name, bits in modulation.packed().items()}
        return state

    def stored_shapes(self) -> dict[str, Tensor]:
        """Return meta tensors of the shapes and types of ``stored_state``; the model may be on the meta device."""
        state = {name: tensor.to("meta") for name, tensor in self.state_dict().items()}
        for prefix, modulation in self.modulations().items():
            for name in modulation.unstored():
                del state[prefix + name]
            for name, bits in modulation.mask_bits().items():
                state[prefix + name] = torch.empty(-(-bits // 8), dtype=torch.uint8, device="meta")
        return state

    def has_masks(self) -> bool:
        """Return whether the stored state holds masks of one bit per value."""
        return any(modulation.mask_bits() for modulation in self.modulations().values())

    def two_valued(self) -> dict[str, TwoValues]:
        """Return the tensors of the state that one bit per number can store, with the two values."""
        return {
            prefix + name: values
            for prefix, modulation in self.modulations().items()
            for name, values in modulation.two_valued().items()
        }

    def load_stored_state(self, state: Mapping[str, Tensor]) -> None:
        """Load a state returned by ``stored_state``.

        Raises:
            RuntimeError: A tensor is missing, unexpected or of the wrong shape.
        """
        state = dict(state)
        kept = self.state_dict()
        for prefix, modulation in self.modulations().items():
            packed = modulation.packed()
            modulation.unpack({name: state.pop(prefix + name) for name in packed})
            state |= {prefix + name: kept[prefix + name] for name in modulation.unstored()}
        self.load_state_dict(state)

    def modulations(self) -> dict[str, Modulation]:
        """Return all modulations by their name prefixes in the state."""
        return {
            f"networks.{index}.modulations.{point.replace('.', '/')}.": modulation  # as NamedModules writes it
            for index, network in enumerate(self.members)
            for point, modulation in network.points().items()
        }

    def dead_channels(self) -> dict[str, int]:
        """Return by modulation point the number of dead channels, over all groups and networks."""
        return {
            point: sum(network.points()[point].dead_channels() for network in self.members)
            for point in self.modulation_points
        }


def assemble_model(config: TrialConfig) -> MultiTaskModel:
    """Return the model on the meta device: all names and shapes, without allocating memory.

    Raises:
        ValueError: If the backbone or a modulation point is unknown, a point is listed twice, or images are too small.
    """
    stages = {shape.name: shape for shape in stage_shapes(config.network, config.data.image_size)}
    points = config.modulation.points
    for point in points:
        look_up("modulation.points", point, stages)
    if len(set(points)) != len(points):
        raise ValueError(f"modulation.points must be distinct, got {list(points)}")
    with torch.device("meta"):
        networks = [
            RetrievalNetwork(
                build_backbone(config.network, config.data.image_size),
                [task for task in config.data.tasks if task in group],
                config.modulation,
                normalized=config.loss.normalize,
                learning_rate=config.optimization.learning_rate * config.modulation.rate_factor,
            )
            for group in config.network_groups
        ]
    return MultiTaskModel(networks, config.data.tasks)


def build_model(config: TrialConfig, generator: torch.Generator | None = None) -> MultiTaskModel:
    """Return the initialized model on the CPU; the global random state is neither read nor advanced.

    Each backbone, and each modulation point of each network, has a separate random stream derived from ``train_seed``.
    With the same seed, all arms therefore start from the same backbone (with several networks, the first of them does),
    and the initialization of a point does not depend on which other points are modulated.

    Args:
        config: The trial.
        generator: Draws the seed of these streams; None derives them from ``train_seed``.

    Raises:
        ValueError: As ``assemble_model``, or if an initialization does not fit the number of groups.
    """
    seed = config.train_seed if generator is None else int(torch.randint(2**62, (), generator=generator))
    model = assemble_model(config).to_empty(device="cpu")
    model.initialize(seed)
    return model
