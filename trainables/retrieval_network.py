"""The network that retrieves: backbone, modulation at the ends of stages, L2 normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from trainables.backbones import Backbone
from trainables.backbones.named_modules import NamedModules
from trainables.config import ModulationConfig
from trainables.initialization import random_stream
from trainables.modulation import FORMS, Modulation
from trainables.names import look_up

NORM_EPSILON = 1e-10


def normalize(embeddings: Tensor) -> Tensor:
    """Return rows of unit length, ``(..., D)``, in at least fp32; a row of zeros stays zero.

    The epsilon bounds the squared norm from below, as in the released code (``tf.nn.l2_normalize``).
    """
    embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    squared_norm = embeddings.square().sum(dim=-1, keepdim=True)
    return embeddings * squared_norm.clamp_min(NORM_EPSILON).rsqrt()


class RetrievalNetwork(nn.Module):
    """One backbone whose tasks differ by modulation alone.

    A *branch* is what the tasks of one modulation group share; without modulation there is one. Stages up to the first
    modulated one are the *trunk*, equal for all tasks and run once an image. The trunk of a backbone that is not staged
    is all of it while only the embedding is modulated, and else nothing.
    """

    def __init__(self, backbone: Backbone, tasks: Sequence[str], modulation: ModulationConfig) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.backbone = backbone
        groups = modulation.groups if modulation.points else (self.tasks,)
        groups = tuple(group for group in groups if set(group) & set(tasks))
        self.branches = len(groups)
        self.branch_of = {task: branch for branch, group in enumerate(groups) for task in group if task in tasks}
        self.modulations = NamedModules(
            {
                shape.name: FORMS[modulation.form](self.branches, shape.channels, modulation)
                for shape in backbone.shapes
                if shape.name in modulation.points
            }
        )
        stages = [shape.name for shape in backbone.shapes]
        first = next(iter(self.modulations), stages[-1])
        # A network that is not staged can only run as a whole, so a branch from inside it shares nothing.
        trunk_length = stages.index(first) + 1 if backbone.staged or first == stages[-1] else 0
        self.trunk, self.tail = tuple(stages[:trunk_length]), tuple(stages[trunk_length:])

    def initialize(self, seed: int, index: int) -> None:
        """Set all parameters and buffers from streams under ``seed``, named after the network's index and the point."""
        self.backbone.initialize(random_stream(seed, "backbone", str(index)))
        for point, modulation in self.points().items():
            modulation.initialize(random_stream(seed, "modulation", point, str(index)))

    def points(self) -> dict[str, Modulation]:
        """Return the modulation by stage name, in the backbone's order."""
        return cast("dict[str, Modulation]", dict(self.modulations.items()))

    def embed_tasks(self, images: Tensor, task_names: Sequence[str] | None = None) -> Tensor:
        """Embed every image for every task.

        In training all branches pass the later stages as one batch, so that batch norm sees the tasks mixed, as in the
        released code (every branch weighs the same, however many tasks it serves). With running statistics branches do
        not meet, and they run one after another: same cost, less memory, and the very operations of a network without
        modulation.

        Args:
            images: ``(B, 3, H, W)``.
            task_names: Tasks wanted, in this order; None means all of the network.

        Returns:
            Unit vectors ``(T, B, D)``.

        Raises:
            ValueError: If a task is unknown.
        """
        wanted = [look_up("task", task, self.branch_of) for task in (self.tasks if task_names is None else task_names)]
        distinct = sorted(set(wanted))
        groups = torch.tensor(distinct, device=images.device)
        features = self._run_trunk(images)
        embedded = self._embed_together(features, groups) if self.training else self._embed_in_turn(features, groups)
        by_branch = dict(zip(distinct, embedded, strict=True))
        return torch.stack([by_branch[branch] for branch in wanted])

    def embed_mixed(self, images: Tensor, task_index: Tensor) -> Tensor:
        """Embed each image for its own task in one forward pass.

        Args:
            images: ``(B, 3, H, W)``.
            task_index: ``(B,)`` indices into ``tasks``, int64.

        Returns:
            Unit vectors ``(B, D)``.
        """
        groups = torch.tensor([self.branch_of[task] for task in self.tasks], device=images.device)[task_index]
        return self._run_tail(self._leave_trunk(self._run_trunk(images), groups), groups)

    def _run_trunk(self, images: Tensor) -> Tensor:
        if not self.backbone.staged:
            embedded: Tensor = self.backbone(images) if self.trunk else images
            return embedded
        features = images
        for stage in self.trunk:
            features = self.backbone.stages[stage](features)
        return features

    def _run_tail(self, features: Tensor, groups: Tensor) -> Tensor:
        """Run what follows the trunk and its modulation, up to unit vectors; ``groups`` is ``(N,)`` or ``(1,)``."""
        if not self.trunk:
            return normalize(self.backbone.run(features, lambda stage, output: self._modulate(stage, output, groups)))
        for stage in self.tail:
            features = self._modulate(stage, self.backbone.stages[stage](features), groups)
        return normalize(features)

    def _modulate(self, stage: str, features: Tensor, groups: Tensor) -> Tensor:
        if stage not in self.modulations:
            return features
        modulated: Tensor = self.modulations[stage](features, groups)
        return modulated

    def _leave_trunk(self, features: Tensor, groups: Tensor) -> Tensor:
        """Apply the modulation at the end of the trunk, if there is one."""
        return self._modulate(self.trunk[-1], features, groups) if self.trunk else features

    def _embed_together(self, features: Tensor, groups: Tensor) -> Sequence[Tensor]:
        """Embed trunk features ``(B, ...)`` for groups ``(G,)`` as one batch; returns G tensors ``(B, D)``."""
        # Broadcast, not repeated: the backward pass then keeps one copy of the trunk's features instead of G.
        spread = self._leave_trunk(features.unsqueeze(0), groups.unsqueeze(1))
        spread = spread.expand(len(groups), *spread.shape[1:])
        embedded = self._run_tail(spread.flatten(0, 1), groups.repeat_interleave(len(features)))
        return embedded.view(len(groups), len(features), -1).unbind()

    def _embed_in_turn(self, features: Tensor, groups: Tensor) -> Sequence[Tensor]:
        """As ``_embed_together``, one branch at a time."""
        return [self._run_tail(self._leave_trunk(features, group), group) for group in groups.unsqueeze(1)]
