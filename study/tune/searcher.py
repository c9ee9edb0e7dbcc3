"""Ray's searcher over the dispatcher: Tune asks it for the next unit and tells it which one ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher

from study.schedule.dispatch import Dispatcher
from study.schedule.failures.lost_worker import Loss
from study.schedule.units import WorkUnit
from study.tune.execution import WorkOrder
from study.tune.losses import LossesNoted
from study.tune.silence import SilenceWatch
from study.tune.worker import configuration


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

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of a new Tune trial, None to be asked again, or ``FINISHED``."""
        if self._dispatcher.exhausted:
            return Searcher.FINISHED
        if self._max_concurrent is not None and self._dispatcher.in_flight >= self._max_concurrent:
            return None
        unit = self._dispatcher.next_unit()
        if unit is None:
            return None
        self._units[trial_id] = unit
        self._ends.handed_out(trial_id, unit)
        self._changed()
        return configuration(self._order(unit), self._dispatcher.resources(unit))

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,  # noqa: ARG002 - it is in the journal
        error: bool = False,
    ) -> None:
        """Take note that a Tune trial has ended, well or not; what came of it stands in the journal."""
        self._dispatcher.ended(self._units.pop(trial_id), crashed=error, loss=self._ends.take(trial_id))
        self._changed()

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the journals are the state, and a run never resumes from Tune's own files."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing, see ``save``."""

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        """Leave everything out of the copy that Tune pickles and that is never read."""
        return Searcher, ()
