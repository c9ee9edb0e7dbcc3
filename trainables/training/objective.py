"""The objective of a training step: from network input to the losses of the tasks and the penalties."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.losses.balancing import StepLoss
from trainables.losses.distances import chosen_distance
from trainables.losses.penalties import captured_embeddings, mask_l1, shared_embedding_l2, triplet_embedding_l2
from trainables.losses.triplet import TripletLoss, batch_triplet_loss, triplet_margin_loss
from trainables.networks.modulation.layout import every_row
from trainables.networks.multi_task import MultiTaskModel


@dataclass(frozen=True)
class Coefficients:
    """The numbers in the objective: of one trial, or scalar tensors where several trials are trained as one model."""

    margin: float | Tensor
    embedding_l2: float | Tensor
    mask_l1: float | Tensor

    @classmethod
    def of(cls, config: TrialConfig) -> Coefficients:
        """Return those of a trial."""
        return cls(config.loss.margin, config.loss.embedding_l2, config.loss.mask_l1)


@dataclass(frozen=True)
class StepInput:
    """What the network and the loss are given in a step.

    Attributes:
        images: Network input (B, 3, H, W).
        labels: (B, T) of the images where all tasks use every image, else None.
        task_index: (B,) task of each slot of given triplets, else None.
    """

    images: Tensor
    labels: Tensor | None
    task_index: Tensor | None


class Objective(nn.Module):
    """The losses and penalties of a model, which it holds so that ``torch.func`` can replace its tensors.

    Penalties that are off (coefficient 0 in the configuration) are not computed.
    """

    def __init__(self, model: MultiTaskModel, config: TrialConfig, autocast: torch.autocast) -> None:
        super().__init__()
        self.model = model
        self._autocast = autocast
        self._distance = chosen_distance(config.loss)
        self._passes = config.batches.passes
        self._negatives = config.batches.negatives
        self._tasks = len(config.data.tasks)
        self._penalizes_embeddings = config.loss.embedding_l2 > 0
        self._penalizes_masks = config.loss.mask_l1 > 0 and mask_l1(model).requires_grad  # masks may be frozen

    def forward(self, step: StepInput, numbers: Coefficients) -> StepLoss:
        """Run the network under autocast, if configured; compute losses and penalties in fp32."""
        if not self._penalizes_embeddings:
            return StepLoss(self.losses(step, numbers.margin), self._mask_penalty(numbers))
        with captured_embeddings(self.model) as outputs:
            losses = self.losses(step, numbers.margin)
        if step.task_index is None:
            length = shared_embedding_l2(self.model, outputs, len(step.images))
        else:
            length = triplet_embedding_l2(outputs, self._passes)
        return StepLoss(losses, {"embedding_l2": numbers.embedding_l2 * length, **self._mask_penalty(numbers)})

    def losses(self, step: StepInput, margin: float | Tensor) -> TripletLoss:
        """Return the losses of the tasks, without penalties."""
        if step.task_index is None:
            if step.labels is None:
                raise TypeError("a step has labels or a task for each slot")
            with self._autocast:
                by_task = self.model.embed_tasks(step.images)
            return batch_triplet_loss(by_task, step.labels, margin, self._distance, self._negatives)
        with self._autocast:
            embedded = self._embed_slots(step.images, step.task_index)
        return triplet_margin_loss(embedded, self._tasks, margin, self._distance)

    def _mask_penalty(self, numbers: Coefficients) -> dict[str, Tensor]:
        """Return the penalty on masks, if they are trained."""
        return {"mask_l1": numbers.mask_l1 * mask_l1(self.model)} if self._penalizes_masks else {}

    def _embed_slots(self, images: Tensor, task_index: Tensor) -> Tensor:
        """Embed slots that alternate between anchor, positive and negative, in one pass or in CSN's three."""
        if self._passes == "mixed":
            return self.model.embed_mixed(images, task_index)
        embedded: dict[int, Tensor] = {}
        for role in (0, 2, 1):  # anchor, far, close: the order in which CSN (tripletnet.py) updates statistics
            embedded[role] = self.model.embed_mixed(images[role::3], every_row(task_index, 3, role))
        return torch.stack([embedded[role] for role in range(3)], dim=1).flatten(0, 1)
