"""The history of one trial, derived from its events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from study.journal.events import Event
from study.journal.journal import read_journal

State = Literal["waiting", "running", "paused", "pruned", "completed", "diverged", "infeasible", "failed"]

WITHOUT_RESULT: tuple[State, ...] = ("diverged", "infeasible")
"""Final states without a result, which no retry would give: the loss is not finite, or the trial can never finish."""


@dataclass(frozen=True, slots=True)
class TrialHistory:
    """The history of one trial, derived from its events.

    A driver keeps those of all trials in memory, so they hold no metrics, and what many trials record in equal words is
    one object, which nobody changes.

    Attributes:
        trial_id: id of the trial.
        planned: the first ``planned`` event; of arm and configuration only what ``_OF_ARM`` and ``_OF_CONFIG`` name.
        attempts: number of times a worker started the trial.
        epochs: the seconds of every epoch, by its first record, in epoch order; ``epoch_records`` has the metrics.
        state: the current state of the trial.
        epoch: number of epochs done, 0 before the first; for a completed trial all of them, even if their lines are
            lost.
        objective: objective at the last rung, pruning or end; None before the first of these, or if not finite.
        finished: the ``finished`` event, if any, without its task metrics.
        failures: the ``failed`` events in order, each with its ``attempt`` (from 1) and ``host``.
        software: the versions recorded by the last ``started`` event.
        host: the machine recorded by the last ``started`` event.
        busy_seconds: time from the first to the last event of each attempt, summed; timing, never a result.
        updated: Unix time of the last event, in seconds.
        lines: number of readable lines in the journal.
        torn: number of unreadable ones.
        moved: what changed under a trial that had epochs done: the type of GPU or a version, by name, in order.
        monitored: the epochs with metrics of each kind that ``MONITORING`` names, by kind.
    """

    trial_id: str
    planned: Event
    attempts: int
    epochs: dict[int, float]
    state: State
    epoch: int
    objective: float | None
    finished: Event | None
    failures: tuple[Event, ...]
    software: dict[str, str]
    host: str | None
    busy_seconds: float
    updated: float
    lines: int = 0
    torn: int = 0
    moved: dict[str, tuple[str, ...]] = field(default_factory=dict)
    monitored: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Replace what other trials record as well by one object for all of them."""
        planned = self.planned
        planned.update({name: _shared(planned[name]) for name in ("arm", "config") if name in planned})
        object.__setattr__(self, "software", _shared(self.software))

    @property
    def seconds(self) -> float:
        """Total seconds of work, over the records in ``epochs``."""
        return float(sum(self.epochs.values()))

    @property
    def is_final(self) -> bool:
        """Whether rerunning the trial could not change its outcome."""
        return self.state in _FINAL

    @property
    def must_be_alone(self) -> bool:
        """Whether the trial has failed for want of memory, or been killed, so that it is tried again alone."""
        return any(failure.get("alone") is not None for failure in self.failures)

    @property
    def was_sent_alone(self) -> bool:
        """Whether its last attempt ended so that it is tried alone next, or was the one that ended the matter."""
        return self.state in ("failed", "infeasible") and self.failures[-1].get("alone") is not None

    @property
    def is_whole(self) -> bool:
        """Whether the journal still holds a record of every epoch that the trial is known to have done."""
        return self.has_epochs(self.epoch)

    def has_epochs(self, count: int) -> bool:
        """Return whether the journal holds the records of the first ``count`` epochs."""
        if len(self.epochs) < count:
            return False
        if next(reversed(self.epochs), 0) == len(self.epochs):  # ascending and distinct, so none is missing
            return True
        return all(epoch in self.epochs for epoch in range(1, count + 1))


def _shared(record: dict[str, Any]) -> dict[str, Any]:
    return _first_of_its_words(json.dumps(record))


@lru_cache(maxsize=10_000)
def _first_of_its_words(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


_FINAL: tuple[State, ...] = ("completed", *WITHOUT_RESULT)

MONITORING = ("update_agreement", "validation")
"""Kinds of metrics that monitoring adds to epochs: what their names begin with."""

_OF_ARM = ("arm_id", "name")
_OF_CONFIG = ("agreement", "compute", "evaluation", "train_seed")

_BITS_DEPEND_ON = ("gpu", "cuda", "cudnn", "torch", "numpy")
"""Of a ``started`` event's versions, those under which a trial promises equal bits."""

_EVENTS_OF_THE_DRIVER = ("planned", "pruned", "kept")

_STATE_AFTER: dict[str, State] = {
    "planned": "waiting",
    "started": "running",
    "epoch": "running",
    "paused": "paused",
    "pruned": "pruned",
    "finished": "completed",
}


def _next_state(state: State, event: Event) -> State:
    """Return the state after an event, unless the present one is final."""
    if state in _FINAL:
        return state
    if event["event"] == "failed":
        return state_after_failure(event)
    if event["event"] == "planned" and state != "waiting":  # replanning a started trial changes nothing
        return state
    return _STATE_AFTER.get(event["event"], state)


def state_after_failure(failure: Mapping[str, Any]) -> State:
    """Return the state to which a ``failed`` event leads a trial."""
    if failure.get("alone") or failure.get("infeasible"):
        return "infeasible"
    return "diverged" if failure["kind"] == "diverged" else "failed"


def derive_history(events: Iterable[Event], torn: int = 0) -> TrialHistory | None:
    """Return the history derived from the events, or None if they include no ``planned`` event."""
    events = tuple(events)
    planned = next((event for event in events if event["event"] == "planned"), None)
    if planned is None:
        return None
    state: State = "waiting"
    objective: float | None = None
    for event in events:
        objective = event.get("objective", objective) if state not in _FINAL else objective
        state = _next_state(state, event)
    limit = _epochs_planned(planned)
    records = epoch_records(events)
    finished = next((event for event in events if event["event"] == "finished"), None)
    attempts = _attempts(events)
    started = attempts[-1][0] if attempts else {}
    return TrialHistory(
        trial_id=planned["trial_id"],
        planned=_without_bulk(planned),
        attempts=len(attempts),
        epochs={epoch: float(record["seconds"]) for epoch, record in records.items()},
        state=state,
        epoch=int(min(_epochs_done(events, finished), limit)),
        objective=objective,
        finished=finished and {name: value for name, value in finished.items() if name != "task_metrics"},
        failures=_failures(attempts),
        software=dict(started.get("versions", {})),
        host=started.get("host"),
        busy_seconds=sum(attempt[-1]["time"] - attempt[0]["time"] for attempt in attempts),
        updated=max(event["time"] for event in events),
        lines=len(events),
        torn=torn,
        moved=_moved([attempt[0] for attempt in attempts]),
        monitored={kind: found for kind in MONITORING if (found := _epochs_with(kind, records))},
    )


def planned_event(events: Sequence[Event]) -> Event:
    """Return the first ``planned`` event, whole.

    Raises:
        ValueError: there is none.
    """
    for event in events:
        if event["event"] == "planned":
            return event
    raise ValueError("these events are not of a trial that was planned")


def epoch_records(events: Sequence[Event]) -> dict[int, Event]:
    """Return the first record of every epoch, in epoch order; those in tables and in MLflow."""
    planned = next((event for event in events if event["event"] == "planned"), {})
    limit = _epochs_planned(planned)
    records = [event for event in events if event["event"] == "epoch" and event["epoch"] <= limit]
    first = {event["epoch"]: event for event in reversed(records)}
    return dict(sorted(first.items()))


def _epochs_with(kind: str, records: Mapping[int, Event]) -> tuple[int, ...]:
    begin = f"{kind}/"
    return tuple(
        epoch for epoch, record in records.items() if any(name.startswith(begin) for name in record["metrics"])
    )


def _without_bulk(planned: Event) -> Event:
    """Return a ``planned`` event without what only tables and MLflow need; most of its size is the configuration."""
    arm, config = planned.get("arm"), planned.get("config")
    kept = dict(planned)
    if arm is not None:
        kept["arm"] = {name: arm[name] for name in _OF_ARM if name in arm}
    if config is not None:
        kept["config"] = {name: config[name] for name in _OF_CONFIG if name in config}
    return kept


def _moved(starts: list[Event]) -> dict[str, tuple[str, ...]]:
    """Return the values of what the bits of a trial depend on, where an attempt continued under another one."""
    found: dict[str, tuple[str, ...]] = {}
    for before, after in pairwise(starts):
        for name in _BITS_DEPEND_ON if after.get("from_epoch") else ():
            old, new = before.get("versions", {}).get(name), after.get("versions", {}).get(name)
            if old and new and old != new:
                found[name] = (*found.get(name, (old,)), new)
    return found


def _epochs_planned(planned: Event) -> float:
    """Return the maximum number of epochs; a line with a larger number was not written by the trial."""
    limit: float = planned.get("config", {}).get("optimization", {}).get("epochs", math.inf)
    return limit


def _epochs_done(events: tuple[Event, ...], finished: Event | None) -> int:
    """Return the number of epochs done, from any surviving line; ``failed`` lines of older code do not record it."""
    if finished is not None:
        return int(finished["epochs_run"])
    known = (event.get("epoch") for event in events if event["event"] in ("epoch", "paused", "pruned", "failed"))
    return max((epoch for epoch in known if epoch is not None), default=0)


def _attempts(events: Iterable[Event]) -> list[list[Event]]:
    """Return the worker's events grouped by attempt; each group begins with ``started``, unless that line is torn."""
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
    """Return the history derived from the journal at ``path``, or None if it has no ``planned`` event yet."""
    journal = read_journal(path)
    return derive_history(journal.events, journal.torn)
