"""Bytes and multiply-adds of an arm for any number of tasks, at any precision; nothing is allocated or trained."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from trainables.config.modulation import Partition
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger
from trainables.networks.multi_task import MultiTaskModel, assemble_model
from trainables.networks.precision import PRECISIONS, Precision, encode_state, vector_bytes


@dataclass(frozen=True)
class Forecast:
    """What an arm takes to store and to run.

    Attributes:
        tasks: Number of tasks T.
        shared_parameters: Of one network without modulation.
        added_parameters: In excess of it, over all tasks.
        network_bytes: Of the tensors in the stored file, by precision; ``1bit`` only where modulation takes two values.
        vectors_per_image: Vectors that the index stores for an image and all tasks.
        vector_bytes: Of one such vector, by precision.
        image_multiply_adds: To embed one gallery image for all tasks.
        query_multiply_adds: To embed one query for one task.
        search_multiply_adds: To compare a query with one stored vector: D, and the matrix products of a modulation that
            is applied to stored vectors.
    """

    tasks: int
    shared_parameters: int
    added_parameters: int
    network_bytes: dict[Precision, int]
    vectors_per_image: int
    vector_bytes: dict[Precision, int]
    image_multiply_adds: int
    query_multiply_adds: int
    search_multiply_adds: int


def forecast(config: TrialConfig, tasks: int | None = None) -> Forecast:
    """Return what an arm takes for a number of tasks, None for its own.

    Raises:
        ValueError: The arm does not exist for so many tasks, such as disjoint blocks of too few channels.
    """
    wanted = config if tasks is None else with_tasks(config, tasks)
    ledger, model = storage_ledger(wanted), assemble_model(wanted)
    size = model.embedding_size
    return Forecast(
        tasks=len(wanted.data.tasks),
        shared_parameters=ledger.base_parameters,
        added_parameters=ledger.added_parameters,
        network_bytes=network_bytes(model),
        vectors_per_image=ledger.embeddings_per_image,
        vector_bytes={precision: vector_bytes(size, precision) for precision in PRECISIONS},
        image_multiply_adds=ledger.multiply_adds_per_image,
        query_multiply_adds=storage_ledger(with_tasks(config, 1)).multiply_adds_per_image,
        search_multiply_adds=size + model.members[0].index_multiply_adds(),
    )


def network_bytes(model: MultiTaskModel) -> dict[Precision, int]:
    """Return the bytes of the stored tensors of a model, which may be on the meta device, by precision."""
    state, two_valued = model.stored_shapes(), model.two_valued()
    return {
        precision: sum(tensor.nbytes for tensor in encode_state(state, precision, two_valued).values())
        for precision in PRECISIONS
        if precision != "1bit" or two_valued or model.has_masks()
    }


def with_tasks(config: TrialConfig, tasks: int) -> TrialConfig:
    """Return an arm as it would be for another number of tasks.

    One group of all tasks stays one group (of a single task: vectors of each task, one network). Otherwise groups keep
    their mean size, rounded, so that vectors or networks of each task stay those of each task. With its own number of
    tasks the arm stays as it is.

    Raises:
        ValueError: There is no task.
    """
    if tasks < 1:
        raise ValueError(f"tasks must be at least 1, got {tasks}")
    before = len(config.data.tasks)
    if tasks == before:
        return config
    names = tuple(f"task-{number}" for number in range(1, tasks + 1))
    networks = _partition(names, _scaled(len(config.network_groups), before, tasks))
    alone = tasks if before == 1 else _scaled(len(config.modulation.groups), before, tasks)
    groups = _partition(names, alone)
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"tasks": names}),
            "network_groups": networks,
            "modulation": config.modulation.model_copy(update={"groups": _refined(groups, networks)}),
        }
    )


def _scaled(groups: int, before: int, tasks: int) -> int:
    return 1 if groups == 1 else max(1, round(groups * tasks / before))


def _partition(names: tuple[str, ...], count: int) -> Partition:
    """Return contiguous groups of nearly equal size."""
    bounds = [index * len(names) // count for index in range(count + 1)]
    return tuple(names[start:end] for start, end in itertools.pairwise(bounds))


def _refined(groups: Partition, networks: Partition) -> Partition:
    """Return the groups cut at the networks' borders, since no group spans two networks."""
    cut = (tuple(task for task in group if task in network) for network in map(set, networks) for group in groups)
    return tuple(group for group in cut if group)
