"""The Ray side of a worker: one process that executes many work orders, one after the other."""

from __future__ import annotations

from typing import Any

from ray import tune

from study.tune.execution import WorkOrder, execute


class Worker(tune.Trainable):
    """Executes the work order of its Tune trial in one step; Tune hands the process on to the next trial.

    Starting a process and importing torch takes seconds, so a worker is kept unless its trial failed. Nothing of a
    trial stays here but the text of its order.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first order."""
        self._order: str = config["order"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next order."""
        self._order = new_config["order"]
        return True

    def step(self) -> dict[str, Any]:
        """Execute the order. The result travels in the trial's journal; Tune is told only that the step is over."""
        return {"state": execute(WorkOrder.from_json(self._order)), "done": True}
