"""The retrieval network: a backbone, modulation at the ends of stages, and optional L2 normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import cast

import torch
from torch import Tensor, nn

from trainables.config.modulation import ModulationConfig
from trainables.foundation.random_streams import random_stream
from trainables.foundation.registry import look_up
from trainables.networks.backbones import Backbone
from trainables.networks.backbones.norm_calls import SoundNorms
from trainables.networks.members import is_of_members, rows_of_branches
from trainables.networks.modulation import Modulation, Site, build_modulation
from trainables.networks.modulation.layout import RowLayout, looked_up, note
from trainables.networks.named_modules import NamedModules

NORM_EPSILON = 1e-10


def at_least_fp32(embeddings: Tensor) -> Tensor:
    """Return the embeddings unchanged, in at least fp32."""
    return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))


def normalize(embeddings: Tensor) -> Tensor:
    """Return rows of unit length, ``(..., D)``, in at least fp32; a row of zeros stays zero.

    The epsilon bounds the squared norm from below, as in the released code (``tf.nn.l2_normalize``).
    """
    embeddings = at_least_fp32(embeddings)
    squared_norm = embeddings.square().sum(dim=-1, keepdim=True)
    return embeddings * squared_norm.clamp_min(NORM_EPSILON).rsqrt()


class RetrievalNetwork(nn.Module):
    """One backbone whose tasks differ only by modulation.

    A *branch* is shared by the tasks of one modulation group; without modulation there is one. The stages up to the
    first modulated one form the *trunk*, which is the same for all tasks and runs once per image; with a form that acts
    inside its stages, the first modulated stage belongs to the branches. A backbone that is not staged runs as a whole:
    it is all trunk if only its embedding is modulated, and has no trunk otherwise.

    Attributes:
        captured: Receives the output of the last stage, before its own modulation and before normalisation, on each
            pass; None disables this.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Sequence[str],
        modulation: ModulationConfig,
        *,
        normalized: bool = True,
        learning_rate: float | None = None,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self._finish = normalize if normalized else at_least_fp32
        self.backbone = backbone
        groups = modulation.groups if modulation.points else (self.tasks,)
        groups = tuple(group for group in groups if set(group) & set(tasks))
        self.branches = len(groups)
        self.branch_of = {task: branch for branch, group in enumerate(groups) for task in group if task in tasks}
        self.captured: list[Tensor] | None = None
        self._layouts: dict[tuple[tuple[int, ...], int], RowLayout] = {}
        self.modulations = NamedModules(self._build_modulations(modulation, learning_rate))
        stages = [shape.name for shape in backbone.shapes]
        trunk_length = self._trunk_length(stages)
        self.trunk, self.tail = tuple(stages[:trunk_length]), tuple(stages[trunk_length:])

    def _build_modulations(self, settings: ModulationConfig, learning_rate: float | None) -> dict[str, Modulation]:
        """Return the form at each point where it has something to change.

        Raises:
            ValueError: The form is unknown, does not fit a stage, or has nothing to change at any of the points.
        """
        built = {
            shape.name: build_modulation(
                Site(
                    shape.name, self.branches, shape.channels, settings, self.backbone.layers(shape.name), learning_rate
                )
            )
            for shape in self.backbone.shapes
            if shape.name in settings.points
        }
        acting = {point: modulation for point, modulation in built.items() if modulation.acts()}
        if built and not acting:
            raise ValueError(f"modulation.form: {settings.form!r} finds no layer of its kind in {', '.join(built)}")
        return acting

    def _trunk_length(self, stages: list[str]) -> int:
        if not self.modulations:
            return len(stages)
        first = next(iter(self.modulations))
        length = stages.index(first) + (0 if self.points()[first].inside else 1)
        return length if self.backbone.staged or length == len(stages) else 0

    def initialize(self, seed: int, index: int) -> None:
        """Set all parameters and buffers from streams derived from ``seed``, the network's index and the point."""
        self.backbone.initialize(random_stream(seed, "backbone", str(index)))
        for point, modulation in self.points().items():
            modulation.initialize(random_stream(seed, "modulation", point, str(index)))

    def points(self) -> dict[str, Modulation]:
        """Return the modulation by stage name, in the backbone's order."""
        return cast("dict[str, Modulation]", dict(self.modulations.items()))

    def groups_of_tasks(self, device: torch.device) -> Tensor:
        """Return the group of each task, int64 ``(T,)``."""
        return self._groups([self.branch_of[task] for task in self.tasks]).index(device)

    def embed_tasks(self, images: Tensor, task_names: Sequence[str] | None = None) -> Tensor:
        """Embed all images for all tasks.

        In training, all branches pass through the later stages as one batch, so that batch norm sees the tasks mixed,
        as in the released code (each branch has equal weight, regardless of its number of tasks). With running
        statistics, branches do not affect each other and run one after another: the cost is the same, the memory lower,
        and the operations are exactly those of a network without modulation.

        Args:
            images: ``(B, 3, H, W)``.
            task_names: Tasks to embed for, in this order; None means all of the network.

        Returns:
            Embeddings, unit vectors if normalised, ``(T, B, D)``.

        Raises:
            ValueError: If a task is unknown.
        """
        wanted = [look_up("task", task, self.branch_of) for task in (self.tasks if task_names is None else task_names)]
        distinct = sorted(set(wanted))
        with SoundNorms():
            features = self._run_trunk(images)
            embed = self._embed_together if self.training else self._embed_in_turn
            embedded = embed(features, distinct)
        by_branch = dict(zip(distinct, embedded, strict=True))
        return torch.stack([by_branch[branch] for branch in wanted])

    def embed_mixed(self, images: Tensor, task_index: Tensor) -> Tensor:
        """Embed each image for its own task in one forward pass.

        Args:
            images: ``(B, 3, H, W)``.
            task_index: ``(B,)`` indices into ``tasks``, int64. If its layout is noted (``modulation.layout``), nothing
                is read from the device.

        Returns:
            Embeddings, unit vectors if normalised, ``(B, D)``.
        """
        groups = looked_up([self.branch_of[task] for task in self.tasks], task_index)
        with SoundNorms():
            features = self._run_trunk(images)
            return self._run_tail(self._modulate(features, groups), groups)

    @property
    def modulates_stored_vectors(self) -> bool:
        """Whether tasks differ by the modulation of the embedding alone, which may be applied to stored vectors."""
        return bool(self.modulations) and not self.tail

    def index_multiply_adds(self) -> int:
        """Return the multiply-adds of the matrix products by which a stored vector becomes that of a task."""
        return self.points()[self.trunk[-1]].multiply_adds(1) if self.modulates_stored_vectors else 0

    def index_vectors(self, images: Tensor) -> Tensor:
        """Return the distinct vectors that an index stores for all tasks of the images, ``(V, B, D)``.

        One per branch; where only the embedding is modulated, one in all, before modulation and normalisation.
        """
        if not self.modulates_stored_vectors:
            first = {branch: task for task, branch in reversed(self.branch_of.items())}
            return self.embed_tasks(images, [first[branch] for branch in range(self.branches)])
        with SoundNorms():
            return self._run_trunk(images).unsqueeze(0)

    def from_index(self, vectors: Tensor) -> Tensor:
        """Return the embeddings of all tasks ``(T, B, D)`` from stored vectors ``(V, B, D)``."""
        if self.modulates_stored_vectors:
            by_branch = [self._finish(self.modulated(vectors[0], branch)) for branch in range(self.branches)]
        else:
            by_branch = list(vectors)
        return torch.stack([by_branch[self.branch_of[task]] for task in self.tasks])

    def modulated(self, vectors: Tensor, branch: int) -> Tensor:
        """Return stored vectors ``(B, D)`` as a branch modulates them, before normalisation."""
        return self._modulate(vectors, self._groups((branch,)).index(vectors.device))

    def _run_trunk(self, images: Tensor) -> Tensor:
        features = images
        if self.backbone.staged:
            for stage in self.trunk:
                features = self._noted(stage, self.backbone.stages[stage](features))
        elif self.trunk:
            features = self.backbone.run(images, self._noted)
        return features

    def _run_tail(self, features: Tensor, groups: Tensor) -> Tensor:
        """Run the stages after the trunk and its modulation up to the embedding; ``groups`` is ``(N,)`` or ``(1,)``."""
        points = self.points()

        def at_point(stage: str, output: Tensor) -> Tensor:
            output = self._noted(stage, output)
            modulation = points.get(stage)
            return output if modulation is None or modulation.inside else modulation(output, groups)

        with ExitStack() as serving:
            for stage in self.tail:
                if stage in points:
                    serving.enter_context(points[stage].serving(groups))
            if self.backbone.staged:
                for stage in self.tail:
                    features = at_point(stage, self.backbone.stages[stage](features))
            elif self.tail:
                features = self.backbone.run(features, at_point)
        return self._finish(features)

    def _noted(self, stage: str, output: Tensor) -> Tensor:
        if self.captured is not None and stage == self.backbone.shapes[-1].name:
            self.captured.append(output)
        return output

    def _modulate(self, features: Tensor, groups: Tensor) -> Tensor:
        """Apply the modulation of the trunk's output, if there is one."""
        if not self.trunk or self.trunk[-1] not in self.modulations:
            return features
        modulated: Tensor = self.modulations[self.trunk[-1]](features, groups)
        return modulated

    def _groups(self, branches: Sequence[int], times: int = 1) -> RowLayout:
        """Return the layout of rows for each branch in turn, ``times`` for each; kept, with its tensors."""
        key = tuple(branches), times
        if key not in self._layouts:
            self._layouts[key] = RowLayout([branch for branch in branches for _ in range(times)])
        return self._layouts[key]

    def _embed_together(self, features: Tensor, branches: Sequence[int]) -> Sequence[Tensor]:
        """Embed trunk features ``(B, ...)`` for G branches as one batch; returns G tensors ``(B, D)``."""
        device, each = features.device, self._groups(branches)
        groups = note(each.index(device).unsqueeze(1), each)
        # Broadcast, not repeated, so that the backward pass keeps one copy of the trunk's features instead of G.
        spread = self._modulate(features.unsqueeze(0), groups)
        spread = spread.expand(len(branches), *features.shape)
        if is_of_members(spread):
            rows = rows_of_branches(spread)
        else:
            rows = spread.flatten(0, 1)
            if features.ndim == 4 and features.is_contiguous(memory_format=torch.channels_last):
                rows = rows.contiguous(memory_format=torch.channels_last)
        embedded = self._run_tail(rows, self._groups(branches, len(features)).index(device))
        return embedded.view(len(branches), len(features), -1).unbind()

    def _embed_in_turn(self, features: Tensor, branches: Sequence[int]) -> Sequence[Tensor]:
        """Embed like ``_embed_together``, but one branch at a time."""
        groups = [self._groups((branch,)).index(features.device) for branch in branches]
        return [self._run_tail(self._modulate(features, group), group) for group in groups]
