"""The tensors of K models as one, with the trained ones in a single flat tensor that an optimizer updates at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.networks.multi_task import MultiTaskModel

NO_FACTORS: Mapping[str, Sequence[float]] = {}


@dataclass(frozen=True)
class Block:
    """A parameter of all members inside the flat tensors.

    Attributes:
        name: Name in the model's ``state_dict``, or of a parameter of the balancing method.
        shape: Shape of one member's parameter.
        strides: Its strides, which keep the memory layout of convolution weights.
        start: First place in the flat tensors.
        decayed: Whether weight decay applies.
    """

    name: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int
    decayed: bool

    def of(self, flat: Tensor, members: int) -> Tensor:
        """Return the parameter (K, ...) as a view of a flat tensor."""
        return flat.as_strided((members, *self.shape), (math.prod(self.shape), *self.strides), self.start)


class FlatParameters:
    """Trained parameters of all members, block after block, each (K, ...).

    Attributes:
        blocks: In the order in which a trial's own optimizer numbers its parameters.
        values: All parameters, flat.
        gradients: Their gradients, flat; filled by the backward pass, since every leaf's ``.grad`` is a view of it.
        leaves: The parameters (K, ...) by name.
    """

    def __init__(self, members: int, decayed: Mapping[str, Tensor], undecayed: Mapping[str, Tensor]) -> None:
        self.members = members
        self.blocks: list[Block] = []
        start = 0
        for group, decays in ((decayed, True), (undecayed, False)):
            for name, tensor in group.items():
                self.blocks.append(Block(name, tuple(tensor.shape), tuple(tensor.stride()), start, decays))
                start += members * tensor.numel()
        like = next(iter({**decayed, **undecayed}.values()))
        self.values = torch.zeros(start, dtype=like.dtype, device=like.device)
        self.gradients = torch.zeros_like(self.values)
        self.leaves: dict[str, Tensor] = {}
        for block in self.blocks:
            leaf = block.of(self.values, members).requires_grad_()
            leaf.grad = block.of(self.gradients, members)
            self.leaves[block.name] = leaf

    def spread(
        self, by_member: Sequence[float], *, decayed_only: bool = False, by: Mapping[str, Sequence[float]] = NO_FACTORS
    ) -> Tensor:
        """Return a flat tensor with each member's number at its parameters.

        With ``decayed_only`` it is 0 at the others; ``by`` holds factors of the members at parameters by name.
        """
        flat = torch.zeros_like(self.values)
        for block in self.blocks:
            if block.decayed or not decayed_only:
                factors = by.get(block.name, [1.0] * self.members)
                numbers = [number * factor for number, factor in zip(by_member, factors, strict=True)]
                of_members = torch.tensor(numbers, dtype=self.values.dtype, device=self.values.device)
                block.of(flat, self.members).copy_(of_members.view(-1, *[1] * len(block.shape)))
        return flat

    def slices(self, flat: Tensor, member: int) -> list[Tensor]:
        """Return the views of one member in a flat tensor, block by block."""
        return [block.of(flat, self.members)[member] for block in self.blocks]


class StackedModel:
    """K models of equal shape as one.

    Attributes:
        trained: The trained parameters.
        fixed: Frozen parameters and the buffers that are saved, (K, ...) by name.
    """

    def __init__(
        self, like: MultiTaskModel, members: int, decayed: Iterable[nn.Parameter], undecayed: Mapping[str, Tensor]
    ) -> None:
        """Make room for the models.

        Args:
            like: A model on its device and in its memory layout.
            members: Number K.
            decayed: The parameters of the model to which weight decay applies.
            undecayed: Other trained parameters by name: of the model, then of the balancing method.
        """
        named = {id(parameter): name for name, parameter in like.named_parameters()}
        trained = {named[id(parameter)]: parameter.detach() for parameter in decayed if parameter.requires_grad}
        self.trained = FlatParameters(members, trained, undecayed)
        state = like.state_dict()
        self.fixed = {
            name: torch.stack([tensor] * members) for name, tensor in state.items() if name not in self.trained.leaves
        }
        self._names = tuple(state)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the models by name, (K, ...)."""
        leaves = self.trained.leaves
        return {name: leaves[name] if name in leaves else self.fixed[name] for name in self._names}

    @torch.no_grad()
    def write(self, member: int, model: MultiTaskModel) -> None:
        """Copy a model into a slot."""
        stacked = self.tensors()
        for name, tensor in model.state_dict().items():
            stacked[name][member].copy_(tensor)

    @torch.no_grad()
    def read(self, member: int, model: MultiTaskModel) -> None:
        """Copy a slot into a model."""
        stacked = self.tensors()
        for name, tensor in model.state_dict().items():
            tensor.copy_(stacked[name][member])
