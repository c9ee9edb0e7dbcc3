"""Journals the end of a worker that could not do so itself: killed, hung, or gone with its node. Does not use Ray."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from study.journal.events import Event
from study.journal.journal import JournalWriter
from study.journal.state import TrialState, read_state
from study.journal.verdict import Place, judged
from study.layout import RunFolder
from study.plan.plan import PlannedTrial
from study.schedule.hang_watch import read_note
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
        failure = self._failure(unit, before, states[0], end.loss or KILLED)
        found = []
        for trial, state in zip(unit.trials, states, strict=True):
            known = before.get(trial.trial_id)
            undecided = state is None or state.history.state in ("waiting", "running")
            if undecided or (end.loss is not None and _has_not_begun(known, state)):
                place = _place(state, before, Place("", end.gpus, unit.alone))
                found.append(self._journal(trial, failure | _epoch(known, state), place))
            else:
                found.append(state)
        return found

    def _failure(
        self, unit: WorkUnit, before: Mapping[str, TrialState], first: TrialState | None, loss: Loss
    ) -> dict[str, Any]:
        """Return what ended the worker; one that ended itself leaves a note at the unit's first trial.

        A note may be of an earlier attempt; and where its raylet is gone, a worker aborts.
        """
        trial_id = unit.trial.trial_id
        note = read_note(self.folder.trial(trial_id).hang) if _has_begun(before.get(trial_id), first) else None
        if note is None or (note.fault and loss.kind == "lost"):
            return {"kind": loss.kind, "message": loss.message, "traceback": ""}
        if note.fault:
            message = f"the worker ended by a fault of its own: {note.fault}, in {note.place}"
            return {"kind": "killed", "message": message, "traceback": note.stacks}
        message = f"no progress for {self.hang_after_s:g} s (resources.hang_after_s); it hung in {note.place}"
        return {"kind": "hung", "message": message, "traceback": note.stacks}

    def _journal(self, planned: PlannedTrial, failure: Event, place: Place) -> TrialState | None:
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
                earlier = state.history.failures if state else ()
                writer.append("failed", **judged(failure, earlier, place), host=place.host)
                trial.hang.unlink(missing_ok=True)
        except LockHeldError:  # the worker is still alive and will record the outcome itself
            pass
        return read_state(trial.journal)


def _place(state: TrialState | None, states: Mapping[str, TrialState], place: Place) -> Place:
    """Return where the last attempt ran, and whether another trial has come to its end there under equal software."""
    mine = state.history if state is not None else None
    if mine is None or mine.host is None:
        return replace(place, host=socket.gethostname())
    others = (other.history for other in states.values() if other.history.trial_id != mine.trial_id)
    proven = any(
        other.state in ("completed", "paused", "pruned") and (other.host, other.software) == (mine.host, mine.software)
        for other in others
    )
    return replace(place, host=mine.host, proven=proven)


def _epoch(before: TrialState | None, now: TrialState | None) -> dict[str, int]:
    """Return the epochs done, as a field of the failure, if the worker had begun the trial."""
    return {"epoch": now.history.epoch} if now is not None and _has_begun(before, now) else {}


def _has_begun(before: TrialState | None, now: TrialState | None) -> bool:
    """Return whether the worker had begun the trial, which may be marked as running by an earlier one."""
    attempts = before.history.attempts if before is not None else 0
    return now is not None and now.history.attempts > attempts


def _has_not_begun(before: TrialState | None, now: TrialState | None) -> bool:
    """Return whether the worker ended before it began a trial that had failed or paused earlier."""
    return (
        before is not None
        and now is not None
        and before.history.state == now.history.state
        and now.history.state in ("failed", "paused")
        and before.history.attempts == now.history.attempts
    )
