"""The Ray side of a worker: one process that executes many work orders, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ray
from ray import tune
from ray.tune import PlacementGroupFactory

from study.schedule.units import Resources
from study.tune.execution import WorkOrder
from study.tune.fused_execution import execute_unit

_ORDER, _CPUS, _GPUS = "order", "cpus", "gpus"


def configuration(order: WorkOrder, resources: Resources) -> dict[str, Any]:
    """Return the configuration of the Tune trial that executes an order with these resources."""
    return {_ORDER: order.to_json(), _CPUS: resources.cpus, _GPUS: resources.gpus}


def reserved(config: dict[str, Any]) -> Resources:
    """Return the resources in the configuration of a Tune trial."""
    return Resources(config[_CPUS], config[_GPUS])


def reservation(config: dict[str, Any]) -> PlacementGroupFactory:
    """Return what Tune reserves for a Tune trial; only trials that reserve the same share a worker."""
    return PlacementGroupFactory([{"CPU": config[_CPUS], "GPU": config[_GPUS]}])


class Worker(tune.Trainable):
    """Executes one work order a step, and then the next that it is sent, or that of the next Tune trial.

    Starting a process and importing torch takes seconds, so a worker is kept unless its trial failed. Nothing of a
    trial stays here but the text of its order. Tune keeps a worker only for a trial with equal resources, and ends it
    where the next one needs others, so the GPU that a worker sees is always that of its own reservation.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first order."""
        self._order: str = config[_ORDER]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order."""
        self._order = new_config[_ORDER]
        return True

    def go_on(self, order: str) -> None:
        """Take the order of the next step."""
        self._order = order

    def step(self) -> dict[str, Any]:
        """Execute the order. The result travels in the trial's journal; Tune is told only that the step is over."""
        order = replace(WorkOrder.from_json(self._order), node=ray.get_runtime_context().get_node_id())
        return {"state": execute_unit(order)}
