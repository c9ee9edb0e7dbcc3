"""What a training step computes, known before training: the multiply-adds that arms at equal cost have in common."""

from __future__ import annotations

from trainables.config.registries import BALANCERS
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger

BACKWARD = 2
"""A backward pass computes the gradients of inputs and of weights, each about as costly as the forward pass."""

ONE_BACKWARD = frozenset(("equal", "rlw", "dwa", "uncertainty", "gradnorm", "famo"))
"""Our balancing methods that differentiate one weighted loss; the others differentiate the loss of each task."""

LOSSES_AGAIN = frozenset(("famo",))
"""Those that compute the losses of the batch once more after the step."""


def step_multiply_adds(config: TrialConfig) -> int:
    """Return the multiply-adds of one training step: of its forward and backward passes through the network.

    The same matrix products are counted as in ``StorageLedger``. Not counted: losses, the optimizer, what a method
    computes from gradients, and GradNorm's gradients of its one layer, which are small beside the passes. Balancing
    methods of other packages count as one backward pass.

    Raises:
        ValueError: As ``storage_ledger``.
    """
    method, tasks = config.balancing.method, len(config.data.tasks)
    each_task = method not in ONE_BACKWARD and not _of_elsewhere(method)
    passes = 1 + BACKWARD * (tasks if each_task else 1) + (method in LOSSES_AGAIN)
    return passes * config.batches.batch_size * _forward(config)


def relative_cost(config: TrialConfig) -> float:
    """Return the cost of a training step relative to that of one shared network, without modulation or balancing."""
    return step_multiply_adds(config) / step_multiply_adds(_shared(config))


def _forward(config: TrialConfig) -> int:
    """Return the multiply-adds per image of a batch: for all tasks, or for the one task of a slot."""
    if config.batches.scheme == "all_tasks":
        return storage_ledger(config).multiply_adds_per_image
    task = config.data.tasks[:1]
    alone = {
        "data": config.data.model_copy(update={"tasks": task}),
        "network_groups": (task,),
        "modulation": config.modulation.model_copy(update={"groups": (task,)}),
    }
    return storage_ledger(config.model_copy(update=alone)).multiply_adds_per_image


def _shared(config: TrialConfig) -> TrialConfig:
    return config.model_copy(
        update={
            "network_groups": (config.data.tasks,),
            "modulation": config.modulation.model_copy(update={"points": ()}),
            "balancing": config.balancing.model_copy(update={"method": "equal"}),
        }
    )


def _of_elsewhere(method: str) -> bool:
    return method not in BALANCERS.built_in
