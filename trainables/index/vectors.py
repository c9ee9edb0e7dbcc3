"""Which vectors an index stores for an image, and which of them a task reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.networks.modulation.vectors import Scale
from trainables.networks.multi_task import MultiTaskModel
from trainables.networks.retrieval import RetrievalNetwork
from trainables.packs import RetrievalModel


@dataclass(frozen=True)
class Place:
    """Where a task's similarity comes from: row ``row`` of V, of branch ``branch`` of ``network``."""

    network: RetrievalNetwork
    branch: int
    row: int

    @property
    def modulated(self) -> bool:
        """Whether the stored vector is that of all tasks, before the task's modulation and normalisation."""
        return self.network.modulates_stored_vectors

    @property
    def key(self) -> str:
        """Names what the task reads: tasks of one branch have the same."""
        return f"{self.row}:{self.branch}"

    @property
    def factors(self) -> Tensor | None:
        """The factors ``(D,)`` by which the task multiplies the embedding, on the host, if that is what it does."""
        form = self.network.points().get(self.network.backbone.shapes[-1].name)
        return form.factors()[self.branch].detach().cpu() if type(form) is Scale else None


class Layout:
    """The vectors of an image: one per network whose tasks differ in the embedding alone, else one per branch.

    As ``MultiTaskModel.index_vectors``, but without the branches of which no task is loaded.
    """

    def __init__(self, model: MultiTaskModel, tasks: tuple[str, ...]) -> None:
        self._members: list[tuple[RetrievalNetwork, tuple[str, ...]]] = []
        self.places: dict[str, Place] = {}
        self.count = 0
        for network in model.members:
            own = [task for task in network.tasks if task in tasks]
            if own:
                self._add(network, own)

    def _add(self, network: RetrievalNetwork, tasks: list[str]) -> None:
        first = {network.branch_of[task]: task for task in reversed(tasks)}
        branches = sorted(first)
        one = network.modulates_stored_vectors
        for task in tasks:
            branch = network.branch_of[task]
            self.places[task] = Place(network, branch, self.count + (0 if one else branches.index(branch)))
        self._members.append((network, () if one else tuple(first[branch] for branch in branches)))
        self.count += 1 if one else len(branches)

    def embed(self, model: RetrievalModel, pixels: Iterator[np.ndarray]) -> Tensor:
        """Return what an index stores for pixels (S, S, 3): fp32 ``(V, N, D)`` on the CPU."""
        empty = torch.empty(self.count, 0, model.embedding_size)
        return torch.cat([empty, *model.computed(pixels, self._vectors)], dim=1)

    def _vectors(self, batch: Tensor) -> Tensor:
        return torch.cat(
            [
                network.embed_tasks(batch, firsts) if firsts else network.index_vectors(batch)
                for network, firsts in self._members
            ]
        )
