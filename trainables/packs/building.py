"""Builds the network that a manifest describes, and reads its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.config.data import DataConfig
from trainables.config.training import LossConfig
from trainables.config.trial import TrialConfig
from trainables.foundation.registry import look_up
from trainables.networks.multi_task import MultiTaskModel, assemble_model, build_model
from trainables.networks.precision import Precision, TwoValued, decode_state, encode_state
from trainables.packs.errors import PackError
from trainables.packs.manifest import MANIFEST, PackedGroup, PackedModel, PackedNetwork, TensorFile
from trainables.packs.parts import NetworkParts, Tensors, join_state, split_state, two_values
from trainables.packs.tensor_files import read_tensors

_ABSENT = "(first group, absent)"


@dataclass(frozen=True)
class Folder:
    """A folder of packs and the precision of the network that is read from it."""

    path: Path
    precision: Precision

    def part(self, file: TensorFile | None, like: Tensors, two_valued: TwoValued) -> Tensors:
        """Return a part in fp32; ``like`` has its names, shapes and types."""
        expected = encode_state(like, self.precision, two_valued)
        if file is None:
            if expected:
                raise PackError(f"{self.path / MANIFEST}: pack: missing, and the form has tensors: {', '.join(like)}")
            return {}
        return decode_state(read_tensors(self.path, file, expected), like, two_valued)


def only(packed: PackedModel, tasks: Sequence[str], folder: Path) -> PackedModel:
    """Return the description without other tasks, and without networks and groups that have none of them.

    Raises:
        PackError: A task is unknown; the message gives the nearest one.
    """
    for task in tasks:
        try:
            look_up("task", task, dict.fromkeys(packed.tasks))
        except ValueError as error:
            raise PackError(f"{folder / MANIFEST}: {error}") from None
    networks = []
    for network in packed.networks:
        kept = [(group, tuple(task for task in group.tasks if task in tasks)) for group in network.groups]
        groups = tuple(group.model_copy(update={"tasks": own}) for group, own in kept if own)
        if groups:
            networks.append(network.model_copy(update={"groups": groups}))
    classes = {task: names for task, names in packed.classes.items() if task in tasks}
    return packed.model_copy(update={"networks": tuple(networks), "classes": classes})


def restored(packed: PackedModel, folder: Path) -> MultiTaskModel:
    """Return the network of a description, in evaluation mode on the CPU.

    Raises:
        PackError: A file breaks a rule, or the network cannot be built here.
    """
    complete = [_with_first(network, index) for index, network in enumerate(packed.networks)]
    try:
        config = _trial(packed, complete)
        bare = assemble_model(config)  # nothing is allocated before the files fit
    except ValueError as error:
        raise PackError(f"{folder / MANIFEST}: {' '.join(str(error).split())}") from error
    place = Folder(folder, packed.precision)
    shapes = split_state(bare, bare.stored_shapes())
    parts = [
        _read(place, network, shape, two_values(bare, index))
        for index, (network, shape) in enumerate(zip(complete, shapes, strict=True))
    ]
    model = build_model(config)
    model.load_stored_state(join_state(model, parts))
    return model.eval()


def _with_first(network: PackedNetwork, index: int) -> PackedNetwork:
    """Put an empty group in the place of the first one, if that is absent: the others hold what differs from it."""
    rest = tuple(group for group in network.groups if not group.first)
    first = [group for group in network.groups if group.first]
    if len(first) > 1:
        raise PackError(f"{MANIFEST}: networks.{index}: one group can be the first, got {len(first)}")
    empty = PackedGroup(tasks=(f"{_ABSENT} {index}",), first=True, pack=None)
    return network.model_copy(update={"groups": (*(first or [empty]), *rest)})


def _read(place: Folder, network: PackedNetwork, shape: NetworkParts, two_valued: TwoValued) -> NetworkParts:
    groups = []
    for group, like in zip(network.groups, shape.groups, strict=False):  # without modulation all are one
        if group.tasks[0].startswith(_ABSENT):
            groups.append({name: torch.zeros(tensor.shape, dtype=tensor.dtype) for name, tensor in like.items()})
        else:
            groups.append(place.part(group.pack, like, two_valued))
    return NetworkParts(place.part(network.backbone, shape.backbone, two_valued), tuple(groups))


def _trial(packed: PackedModel, networks: Sequence[PackedNetwork]) -> TrialConfig:
    """Return the least configuration of a trial that builds the network."""
    groups = [[group.tasks for group in network.groups] for network in networks]
    together = [tuple(task for group in own for task in group) for own in groups]
    return TrialConfig(
        data=DataConfig(tasks=tuple(task for own in together for task in own), image_size=packed.images.size),
        network=packed.network,
        modulation=packed.modulation.model_copy(update={"groups": tuple(group for own in groups for group in own)}),
        network_groups=tuple(together),
        loss=LossConfig(normalize=packed.normalize),
    )
