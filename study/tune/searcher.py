"""Ray's searcher over the dispatcher: Tune asks it for the next unit and tells it which one ended.

A Tune trial is a worker's reservation, not a unit: where nobody waits for its place, a worker goes on with the next
unit that reserves the same, since a Tune trial of its own costs the driver several times what a unit does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from study.schedule.dispatch import Dispatcher
from study.schedule.failures.lost_worker import Loss
from study.schedule.units import Resources, WorkUnit
from study.tune.execution import WorkOrder
from study.tune.losses import LossesNoted
from study.tune.nodes.own_node import OwnNode
from study.tune.silence import SilenceWatch
from study.tune.worker import configuration, reserved

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial


@dataclass(frozen=True)
class Ends:
    """What is known of how workers ended: what Ray says, and whether they were ended for their silence."""

    losses: LossesNoted
    silence: SilenceWatch | None

    def handed_out(self, tune_id: str, unit: WorkUnit) -> None:
        """Take note of a unit."""
        if self.silence is not None:
            self.silence.handed_out(tune_id, unit)

    def take(self, tune_id: str) -> Loss | None:
        """Return how the worker of a Tune trial ended; None if it did not, or raised an error of its own."""
        silenced = self.silence.take(tune_id) if self.silence is not None else None
        loss = self.losses.take(tune_id)
        return silenced if loss is not None and silenced is not None else loss


class UnitSearcher(Searcher):
    """Hands out ready units as Tune trials.

    Args:
        dispatcher: decides what is next.
        order: makes a unit's work order.
        max_concurrent: units in flight at most, those waiting for a free worker included; None lets Tune decide.
        changed: called after a unit was handed out and after one ended.
        ends: know how workers ended that wrote nothing.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        order: Callable[[WorkUnit], WorkOrder],
        max_concurrent: int | None,
        changed: Callable[[], None],
        ends: Ends,
    ) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._order = order
        self._max_concurrent = max_concurrent
        self._changed = changed
        self._ends = ends
        self._units: dict[str, WorkUnit] = {}
        self._set_aside: WorkUnit | None = None

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of a new Tune trial, None to be asked again, or ``FINISHED``."""
        if self._dispatcher.exhausted:
            return Searcher.FINISHED
        unit, self._set_aside = self._set_aside or self._next_unit(), None
        if unit is None:
            return None
        return configuration(self._handed_out(trial_id, unit), self._dispatcher.resources(unit))

    def go_on(self, trial_id: str) -> WorkOrder | None:
        """Take note that the unit of a Tune trial has ended well; return the order of its worker's next unit, if any.

        A unit that reserves something else is set aside for the next Tune trial.
        """
        before = self._units.pop(trial_id)
        self._ended(trial_id, before, error=False)
        unit = self._next_unit() if self._set_aside is None else None
        if unit is None:
            return None
        if self._dispatcher.resources(unit) != self._dispatcher.resources(before):
            self._set_aside = unit
            return None
        return self._handed_out(trial_id, unit)

    def alone(self) -> list[str]:
        """Return the Tune trials of units that must be alone."""
        return [tune_id for tune_id, unit in self._units.items() if unit.alone]

    def take_back(self, trial_id: str) -> None:
        """Take the unit back of a Tune trial that no worker has begun."""
        self._ends.take(trial_id)
        self._dispatcher.given_back(self._units.pop(trial_id))

    def _next_unit(self) -> WorkUnit | None:
        if self._max_concurrent is not None and self._dispatcher.in_flight >= self._max_concurrent:
            return None
        return self._dispatcher.next_unit()

    def _handed_out(self, trial_id: str, unit: WorkUnit) -> WorkOrder:
        self._units[trial_id] = unit
        self._ends.handed_out(trial_id, unit)
        self._changed()
        return self._order(unit)

    def _ended(self, trial_id: str, unit: WorkUnit, *, error: bool) -> None:
        self._dispatcher.ended(unit, crashed=error, loss=self._ends.take(trial_id))
        self._changed()

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,  # noqa: ARG002 - it is in the journal
        error: bool = False,
    ) -> None:
        """Take note that a Tune trial has ended, well or not; what came of it stands in the journal."""
        unit = self._units.pop(trial_id, None)
        if unit is not None:  # else ``go_on`` has taken note
            self._ended(trial_id, unit, error=error)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the journals are the state, and a run never resumes from Tune's own files."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see ``save``."""

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        """Leave everything out of the copy that Tune pickles and that is never read."""
        return Searcher, ()


class KeptWorkers(LossesNoted):
    """Lets a worker go on with the next unit once one has ended, unless a Tune trial waits for it to make room.

    Args:
        fitting: tells how many units of each kind fit at once, on the nodes there are now.
        limit: units in flight at most; None for as many as fit.
        own_node: knows which units wait in vain for a node to themselves.
    """

    def __init__(self, fitting: Callable[[], Mapping[Resources, int]], limit: int | None, own_node: OwnNode) -> None:
        super().__init__()
        self._own_node = own_node
        self._fitting = fitting
        self._limit = limit
        self._pending = 0
        self._searcher: UnitSearcher | None = None

    def ask(self, searcher: UnitSearcher) -> None:
        """Ask this searcher for the units with which workers go on."""
        self._searcher = searcher

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """Let as many workers start at a time as fit: a cluster that grows would start them one after another."""
        fitting = max(self._fitting().values())
        if (pending := min(self._limit or fitting, fitting)) != self._pending:
            tune_controller.update_max_pending_trials(pending)
            self._pending = pending
        self._take_back(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def _take_back(self, tune_controller: TuneController) -> None:
        """Take back units that wait for a node of their own in vain; the dispatcher hands them out otherwise."""
        alone = self._searcher.alone() if self._searcher is not None else []
        if self._searcher is None or not alone:
            return
        live = [trial for trial in tune_controller.get_live_trials() if trial.trial_id in alone]  # type: ignore[no-untyped-call]
        waiting = [trial for trial in live if trial.status == trial.PENDING and not self.has_actor(trial)]
        for trial in waiting:
            if self._own_node.is_waited_for_in_vain(trial.trial_id, reserved(trial.config), len(waiting)):
                self._searcher.take_back(trial.trial_id)
                tune_controller.stop_trial(trial)  # type: ignore[no-untyped-call]

    def on_trial_result(
        self,
        tune_controller: TuneController,
        trial: Trial,
        result: dict[str, Any],  # noqa: ARG002 - it is in the journal
    ) -> str:
        """Send the worker its next order and let it go on, or end its Tune trial."""
        live = [other for other in tune_controller.get_live_trials() if not other.is_finished()]  # type: ignore[no-untyped-call]
        order = self._searcher.go_on(trial.trial_id) if self._searcher is not None and self._have_room(live) else None
        if order is None:
            return self.STOP
        # Tasks of an actor run in the order of their calls; the next step, which Tune is about to ask for, has it.
        worker: Any = trial.temporary_state.ray_actor
        worker.go_on.remote(order.to_json())
        return self.CONTINUE

    def _have_room(self, live: Sequence[Trial]) -> bool:
        """Return whether those that wait for a worker need no other to end: its process may only have to start."""
        if all(trial.status != trial.PENDING for trial in live):
            return True
        kinds = {reserved(trial.config) for trial in live}
        return len(kinds) == 1 and len(live) <= self._fitting().get(kinds.pop(), 1)

    def __reduce__(self) -> tuple[type[FIFOScheduler], tuple[()]]:
        """Leave everything out of the copy that Tune pickles and that is never read."""
        return FIFOScheduler, ()
