"""The training step of a unit: one pass through the network and one update for all members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from trainables.config.trial import TrialConfig
from trainables.data.preprocessing import preprocessed
from trainables.fused.calls import MemberCalls
from trainables.fused.optimizers import StackedOptimizer
from trainables.fused.stack import StackedModel
from trainables.losses.balancing import StepLoss
from trainables.losses.balancing.balancer import ScalarBalancer
from trainables.losses.triplet import TripletLoss
from trainables.networks.multi_task import MultiTaskModel
from trainables.training.augmentation import changed
from trainables.training.objective import Coefficients, Objective, StepInput
from trainables.training.runtime import Runtime
from trainables.training.step_record import StepRecord
from trainables.training.steps.inputs import StepData

_Losses = tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Tensor]]
"""Loss (), losses of the tasks (T,), valid and active triplets (T,), and penalties (); of every member."""


@dataclass(frozen=True)
class Stacked:
    """What a step changes, of all members.

    Attributes:
        models: Their tensors.
        shell: A model of their shape, whose tensors are replaced by theirs.
        balancers: Their balancing methods.
        optimizer: Over all trained parameters.
    """

    models: StackedModel
    shell: MultiTaskModel
    balancers: Sequence[ScalarBalancer]
    optimizer: StackedOptimizer


class UnitStep:
    """The step of a unit. It makes all its tensors on the device, so that it can be captured."""

    def __init__(self, configs: Sequence[TrialConfig], stacked: Stacked, runtime: Runtime) -> None:
        self._configs, self._common = tuple(configs), configs[0]
        self._stacked, self._bf16 = stacked, runtime.bf16
        whole = torch.autocast(runtime.device.type, enabled=False)  # ``MemberCalls`` casts
        self._objective = Objective(stacked.shell, self._common, whole)
        numbers = [Coefficients.of(each) for each in configs]
        self._numbers = {
            name: torch.tensor([getattr(each, name) for each in numbers], device=runtime.device)
            for name in ("margin", "embedding_l2", "mask_l1")
        }

    def take(self, data: Sequence[StepData], numbers: Tensor, step: int) -> list[StepRecord]:
        """Take one optimization step of all members; return their records, detached, on the device.

        Args:
            data: Of each member, on the device.
            numbers: Of the optimizer, on the device.
            step: Number of steps completed.
        """
        members = self._stacked
        inputs, task_index = self._inputs(data), data[0].task_index
        members.models.trained.gradients.zero_()
        losses = self._split(self._losses(inputs, task_index), data)
        found = [each.objective(loss, step) for each, loss in zip(members.balancers, losses, strict=True)]
        torch.autograd.backward([objective for objective, _ in found])
        members.optimizer.step(numbers)
        again = cache(lambda: self._losses_again(inputs, task_index))
        for slot, (balancer, loss) in enumerate(zip(members.balancers, losses, strict=True)):
            balancer.after_step(loss, _row_of(again, slot))
        return [StepRecord.of(loss, weights) for loss, (_, weights) in zip(losses, found, strict=True)]

    def _losses(self, inputs: dict[str, Tensor], task_index: Tensor | None) -> _Losses:
        """Return the losses of all members, from one pass."""

        def of_member(tensors: dict[str, Tensor], given: dict[str, Tensor], numbers: dict[str, Tensor]) -> _Losses:
            step = StepInput(given["images"], given.get("labels"), task_index)
            with MemberCalls(bf16=self._bf16):
                loss: StepLoss = functional_call(self._objective, tensors, (step, Coefficients(**numbers)))
            triplets = loss.triplets
            return triplets.loss, triplets.per_task, triplets.valid, triplets.active, dict(loss.penalties)

        tensors = {f"model.{name}": tensor for name, tensor in self._stacked.models.tensors().items()}
        losses: _Losses = vmap(of_member, randomness="error")(tensors, inputs, self._numbers)
        return losses

    def _split(self, losses: _Losses, data: Sequence[StepData]) -> list[StepLoss]:
        """Return the loss of each member."""
        *triplets, penalties = losses
        by_name = {name: values.unbind() for name, values in penalties.items()}
        of_members = zip(*(values.unbind() for values in triplets), data, strict=True)
        return [
            StepLoss(TripletLoss(*each), {name: values[slot] for name, values in by_name.items()}, given.numbers)
            for slot, (*each, given) in enumerate(of_members)
        ]

    @torch.no_grad()
    def _losses_again(self, inputs: dict[str, Tensor], task_index: Tensor | None) -> Tensor:
        """Return the losses (K, T) of the step's batches with the current weights; no statistics change."""
        fixed = self._stacked.models.fixed
        kept = {name: tensor.clone() for name, tensor in fixed.items()}
        losses = self._losses(inputs, task_index)[1]
        for name, tensor in kept.items():
            fixed[name].copy_(tensor)
        return losses

    def _inputs(self, data: Sequence[StepData]) -> dict[str, Tensor]:
        """Return images (K, B, 3, H, W) and, where every task uses every image, labels (K, B, T)."""
        settings = self._common
        channels_last = settings.compute.channels_last
        pixels = [each.pixels if each.changes is None else changed(each.pixels, each.changes) for each in data]
        images = preprocessed(torch.cat(pixels), channels_last, settings.data.preprocessing)
        inputs = {"images": _members_inside(images.view(len(data), -1, *images.shape[1:]), channels_last)}
        labels = [each.labels for each in data if each.labels is not None]
        return {**inputs, "labels": torch.stack(labels)} if labels else inputs


def _row_of(losses: Callable[[], Tensor], slot: int) -> Callable[[], Tensor]:
    return lambda: losses()[slot]


def _members_inside(images: Tensor, channels_last: bool) -> Tensor:
    """Lay images (K, B, 3, H, W) out as a convolution of members takes them: (B, H, W, K, 3) or (B, K, 3, H, W)."""
    if channels_last:
        return images.permute(1, 3, 4, 0, 2).contiguous().permute(3, 0, 4, 1, 2)
    return images.transpose(0, 1).contiguous().transpose(0, 1)
