"""Takes the stored state of a model apart by network and group of tasks, and puts it together again.

A tensor of a modulation belongs to its groups if it has a row for each, or for each but the first (forms that leave the
first group at the backbone's own layers); if it is in a list of ``copies``, one for each group but the first; or if it
holds bits. A row keeps its dimension, so that encoding a part gives the same numbers as encoding the whole. All other
tensors are the network's. Works on the meta device too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.foundation.bits import pack_bits, unpack_bits
from trainables.networks.multi_task import MultiTaskModel
from trainables.networks.precision import TwoValued

Tensors = dict[str, Tensor]

_COPY = re.compile(r"\.copies\.(\d+)\.")
_ANY_COPY = ".copies.own."


@dataclass(frozen=True)
class NetworkParts:
    """The tensors of one network: those of all its tasks, and those of each group; names are the network's own."""

    backbone: Tensors
    groups: tuple[Tensors, ...]


@dataclass(frozen=True)
class _Layout:
    """The groups of one network, and the number of bits of its masks by name."""

    groups: int
    bits: Mapping[str, int]

    def owner(self, name: str) -> tuple[int, str] | None:
        """Return the group that a copy belongs to, with its name in the group's part."""
        found = _COPY.search(name)
        return None if found is None else (int(found[1]) + 1, _COPY.sub(_ANY_COPY, name, count=1))

    def skipped(self, name: str, tensor: Tensor) -> int | None:
        """Return how many first groups have no row (0 or 1); None if the rows are not those of groups."""
        if not name.startswith("modulations.") or not tensor.ndim:
            return None
        return {self.groups: 0, self.groups - 1: 1}.get(len(tensor))


def split_state(model: MultiTaskModel, state: Mapping[str, Tensor]) -> list[NetworkParts]:
    """Take apart what ``stored_state`` or ``stored_shapes`` of the model returned, network by network."""
    return [_split(_layout(model, index), _own(index, state)) for index in range(len(model.members))]


def join_state(model: MultiTaskModel, parts: Sequence[NetworkParts]) -> Tensors:
    """Return the state for ``load_stored_state`` that ``split_state`` took apart, perhaps with other groups."""
    shapes = model.stored_shapes()
    return {
        f"networks.{index}.{name}": tensor
        for index, network in enumerate(parts)
        for name, tensor in _join(_layout(model, index), _own(index, shapes), network).items()
    }


def two_values(model: MultiTaskModel, index: int) -> TwoValued:
    """Return the two-valued tensors of a network under their names in its parts."""
    start = f"networks.{index}."
    return {name.removeprefix(start): two for name, two in model.two_valued().items() if name.startswith(start)}


def _layout(model: MultiTaskModel, index: int) -> _Layout:
    start = f"networks.{index}."
    bits = {
        (prefix + name).removeprefix(start): count
        for prefix, modulation in model.modulations().items()
        if prefix.startswith(start)
        for name, count in modulation.mask_bits().items()
    }
    return _Layout(model.members[index].branches, bits)


def _own(index: int, state: Mapping[str, Tensor]) -> Tensors:
    start = f"networks.{index}."
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}


def _split(layout: _Layout, state: Tensors) -> NetworkParts:
    backbone: Tensors = {}
    groups: list[Tensors] = [{} for _ in range(layout.groups)]
    for name, tensor in state.items():
        if name in layout.bits:
            for group, bits in zip(groups, _bits_of_groups(tensor, layout.bits[name], layout.groups), strict=True):
                group[name] = bits
        elif (owner := layout.owner(name)) is not None:
            groups[owner[0]][owner[1]] = tensor
        elif (skipped := layout.skipped(name, tensor)) is not None:
            for place, group in enumerate(groups[skipped:]):
                group[name] = tensor[place : place + 1]
        else:
            backbone[name] = tensor
    return NetworkParts(backbone, tuple(groups))


def _join(layout: _Layout, shapes: Tensors, parts: NetworkParts) -> Tensors:
    state: Tensors = {}
    for name, like in shapes.items():
        if name in layout.bits:
            count = layout.bits[name] // layout.groups
            state[name] = pack_bits(torch.cat([unpack_bits(group[name], count) for group in parts.groups]))
        elif (owner := layout.owner(name)) is not None:
            state[name] = parts.groups[owner[0]][owner[1]]
        elif (skipped := layout.skipped(name, like)) is not None:
            rows = [group[name] for group in parts.groups[skipped:]]
            state[name] = torch.cat(rows) if rows else torch.empty(like.shape, dtype=like.dtype)
        else:
            state[name] = parts.backbone[name]
    return state


def _bits_of_groups(packed: Tensor, count: int, groups: int) -> list[Tensor]:
    """Return each group's bits, packed anew: a group fills whole bytes of its own."""
    each = count // groups
    if packed.is_meta:
        return [torch.empty(-(-each // 8), dtype=torch.uint8, device="meta") for _ in range(groups)]
    return [pack_bits(rows) for rows in unpack_bits(packed, count).view(groups, each)]
