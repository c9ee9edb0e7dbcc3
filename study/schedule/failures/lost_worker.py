"""Journals the end of a worker that could not do so itself: killed, hung, or gone with its node. Does not use Ray."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from study.journal.events import Event
from study.journal.journal import JournalWriter
from study.journal.state import TrialState, read_state
from study.journal.verdict import Place, judged
from study.layout import RunFolder
from study.plan.plan import PlannedTrial
from study.schedule.hang_watch import read_hang
from study.schedule.units import WorkUnit
from trainables.foundation.locks.lock import Guard, LockHeldError, locked

WRITER_GONE_S = 5.0
"""Seconds the driver waits for the lock of a lost worker before it leaves the trial's journal unchanged."""


@dataclass(frozen=True)
class Loss:
    """What is known of the end of a worker that wrote nothing: the kind of failure, and the message."""

    kind: Literal["lost", "killed", "out_of_memory", "hung"]
    message: str


KILLED = Loss("killed", "the worker ended without notice: it was killed, or its machine ran out of memory")
LOST = Loss("lost", "the worker's node was lost or preempted")


@dataclass(frozen=True)
class End:
    """The end of a worker: what is known of it, None if it raised an error of its own, and the GPUs it had."""

    loss: Loss | None
    gpus: float


@dataclass(frozen=True)
class LostWorkers:
    """Completes the journals of trials whose worker is gone.

    Attributes:
        folder: of the run.
        study: its name.
        hang_after_s: the limit of a worker's own watchdog.
    """

    folder: RunFolder
    study: str
    hang_after_s: float | None

    def complete(
        self, unit: WorkUnit, before: Mapping[str, TrialState], states: Sequence[TrialState | None], end: End
    ) -> list[TrialState | None]:
        """Journal the end of the trials that the worker left undecided; return the states of the unit's trials.

        Args:
            unit: of which the worker is gone.
            before: the states, by trial id, when the unit was handed out.
            states: those of the unit's trials now.
            end: of the worker.
        """
        failure = self._failure(unit, end.loss or KILLED)
        found = []
        for trial, state in zip(unit.trials, states, strict=True):
            undecided = state is None or state.history.state in ("waiting", "running")
            if undecided or (end.loss is not None and _has_not_begun(before.get(trial.trial_id), state)):
                found.append(self._journal(trial, failure, end.gpus, alone=unit.alone))
            else:
                found.append(state)
        return found

    def _failure(self, unit: WorkUnit, loss: Loss) -> dict[str, Any]:
        """Return what ended the worker: its own watchdog leaves a note at the unit's first trial."""
        hang = read_hang(self.folder.trial(unit.trial.trial_id).hang)
        if hang is None:
            return {"kind": loss.kind, "message": loss.message, "traceback": ""}
        place, stacks = hang
        message = f"no progress for {self.hang_after_s:g} s (resources.hang_after_s); it hung in {place}"
        return {"kind": "hung", "message": message, "traceback": stacks}

    def _journal(self, planned: PlannedTrial, failure: Event, gpus: float, *, alone: bool) -> TrialState | None:
        trial = self.folder.trial(planned.trial_id)
        trial.path.mkdir(parents=True, exist_ok=True)
        try:
            with (
                locked(trial.lock, WRITER_GONE_S, Guard(trial.path, (trial.journal,))),
                JournalWriter(trial.journal) as writer,
            ):
                if read_state(trial.journal) is None:
                    writer.append("planned", **planned.planned_event(self.study))
                state = read_state(trial.journal)
                host = (state.history.host if state else None) or socket.gethostname()
                earlier = state.history.failures if state else ()
                writer.append("failed", **judged(failure, earlier, Place(host, gpus, alone)), host=host)
                trial.hang.unlink(missing_ok=True)
        except LockHeldError:  # the worker is still alive and will record the outcome itself
            pass
        return read_state(trial.journal)


def _has_not_begun(before: TrialState | None, now: TrialState | None) -> bool:
    """Return whether the worker ended before it began a trial that had failed or paused earlier."""
    return (
        before is not None
        and now is not None
        and before.history.state == now.history.state
        and now.history.state in ("failed", "paused")
        and before.history.attempts == now.history.attempts
    )
