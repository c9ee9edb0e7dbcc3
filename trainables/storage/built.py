"""Bytes and multiply-adds of an arm as its configuration says; nothing is allocated or trained."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger
from trainables.networks.multi_task import MultiTaskModel, assemble_model
from trainables.networks.precision import PRECISIONS, Precision, encoded_bytes, vector_bytes
from trainables.storage.growth import with_tasks


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


def forecast_of(config: TrialConfig) -> Forecast:
    """Return what an arm takes for its own tasks.

    Raises:
        ValueError: The arm does not exist, such as disjoint blocks of too few channels.
    """
    ledger, model = storage_ledger(config), assemble_model(config)
    size = model.embedding_size
    return Forecast(
        tasks=len(config.data.tasks),
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
        precision: encoded_bytes(state, precision, two_valued)
        for precision in PRECISIONS
        if precision != "1bit" or two_valued or model.has_masks()
    }
