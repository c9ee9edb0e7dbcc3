"""What the events of one trial amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from study.journal.events import Event
from study.journal.journal import read_journal
from study.layout import RunFolder

State = Literal["waiting", "running", "paused", "pruned", "completed", "diverged", "failed"]


@dataclass(frozen=True)
class TrialHistory:
    """What the events of one trial amount to.

    Attributes:
        planned: the first ``planned`` event.
        attempts: how often a worker started.
        epochs: the first record of every epoch, in order of epochs; MLflow shows the same one.
        epoch: epochs done, 0 before the first; of a completed trial all of them, also where their lines are lost.
        objective: of the last rung, pruning or end; None before.
        finished: the ``finished`` event.
        failures: the ``failed`` events in order, each with the ``attempt`` (from 1) and ``host`` it ended.
        software: the versions named by the last ``started`` event.
        host: the machine of the last ``started`` event.
        busy_seconds: from the start to the last sign of life of every attempt; timing, never a result.
        updated: unix seconds of the last event.
        torn: lines of the journal that were not readable.
    """

    trial_id: str
    planned: Event
    attempts: int
    epochs: dict[int, Event]
    state: State
    epoch: int
    objective: float | None
    finished: Event | None
    failures: tuple[Event, ...]
    software: dict[str, str]
    host: str | None
    busy_seconds: float
    updated: float
    torn: int = 0

    @property
    def seconds(self) -> float:
        """Seconds of work in the epochs that counted."""
        return float(sum(record["seconds"] for record in self.epochs.values()))

    @property
    def is_final(self) -> bool:
        """Whether running the trial again could not change anything: it completed or diverged."""
        return self.state in ("completed", "diverged")

    @property
    def is_whole(self) -> bool:
        """Whether the journal still holds every epoch that the trial is known to have done."""
        return self.has_epochs(self.epoch)

    def has_epochs(self, count: int) -> bool:
        """Return whether the records of the first ``count`` epochs are there."""
        return all(epoch in self.epochs for epoch in range(1, count + 1))


_EVENTS_OF_THE_DRIVER = ("planned", "pruned")

_STATE_AFTER: dict[str, State] = {
    "planned": "waiting",
    "started": "running",
    "epoch": "running",
    "paused": "paused",
    "pruned": "pruned",
    "finished": "completed",
}


def _next_state(state: State, event: Event) -> State:
    """Completed and diverged are final; anything else is what the last event says."""
    if state in ("completed", "diverged"):
        return state
    if event["event"] == "failed":
        return "diverged" if event["kind"] == "diverged" else "failed"
    if event["event"] == "planned" and state != "waiting":  # a second plan of a trial that has begun changes nothing
        return state
    return _STATE_AFTER.get(event["event"], state)


def derive_history(events: Iterable[Event], torn: int = 0) -> TrialHistory | None:
    """Return what the events amount to, or None when the trial's ``planned`` event is not among them."""
    events = tuple(events)
    planned = next((event for event in events if event["event"] == "planned"), None)
    if planned is None:
        return None
    state: State = "waiting"
    objective: float | None = None
    for event in events:
        objective = event.get("objective", objective) if state not in ("completed", "diverged") else objective
        state = _next_state(state, event)
    limit = _epochs_planned(planned)
    records = [event for event in events if event["event"] == "epoch" and event["epoch"] <= limit]
    epochs = {event["epoch"]: event for event in reversed(records)}  # of a repeated one the first
    finished = next((event for event in events if event["event"] == "finished"), None)
    attempts = _attempts(events)
    started = attempts[-1][0] if attempts else {}
    return TrialHistory(
        trial_id=planned["trial_id"],
        planned=planned,
        attempts=len(attempts),
        epochs=dict(sorted(epochs.items())),
        state=state,
        epoch=int(min(_epochs_done(events, finished), limit)),
        objective=objective,
        finished=finished,
        failures=_failures(attempts),
        software=dict(started.get("versions", {})),
        host=started.get("host"),
        busy_seconds=sum(attempt[-1]["time"] - attempt[0]["time"] for attempt in attempts),
        updated=max(event["time"] for event in events),
        torn=torn,
    )


def _epochs_planned(planned: Event) -> float:
    """Return the largest possible number of epochs; a line with more was not written by the trial."""
    limit: float = planned.get("config", {}).get("optimization", {}).get("epochs", math.inf)
    return limit


def _epochs_done(events: tuple[Event, ...], finished: Event | None) -> int:
    """Return the epochs done, as whichever line is left knows them; a ``failed`` line of older code does not."""
    if finished is not None:
        return int(finished["epochs_run"])
    known = (event.get("epoch") for event in events if event["event"] in ("epoch", "paused", "pruned", "failed"))
    return max((epoch for epoch in known if epoch is not None), default=0)


def _attempts(events: Iterable[Event]) -> list[list[Event]]:
    """Return the worker's events by attempt; each begins with ``started``, unless that line was torn."""
    attempts: list[list[Event]] = []
    for event in events:
        if event["event"] == "started" or (not attempts and event["event"] not in _EVENTS_OF_THE_DRIVER):
            attempts.append([event])
        elif attempts and event["event"] not in _EVENTS_OF_THE_DRIVER:
            attempts[-1].append(event)
    return attempts


def _failures(attempts: list[list[Event]]) -> tuple[Event, ...]:
    return tuple(
        {**event, "attempt": number, "host": event.get("host") or attempt[0].get("host")}
        for number, attempt in enumerate(attempts, start=1)
        for event in attempt
        if event["event"] == "failed"
    )


def read_history(path: Path) -> TrialHistory | None:
    """Return what the journal at ``path`` amounts to, or None when it names no trial yet."""
    journal = read_journal(path)
    return derive_history(journal.events, journal.torn)


def read_histories(folder: RunFolder) -> dict[str, TrialHistory]:
    """Return the history of every trial of a run by trial id, in the order of ids."""
    paths = sorted(folder.trials.glob("*/journal.jsonl"))
    histories = (read_history(path) for path in paths)
    return {history.trial_id: history for history in histories if history is not None}
