"""Decides, when a failure is journalled, whether the trial can ever finish: alone on its device, or on another node.

A verdict is written into the ``failed`` event, so everything that reads the journal agrees on it. A lost node never
counts, since it says nothing about the trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from results.tables.schema import INFEASIBLE
from study.journal.events import Event
from study.journal.failures import may_pass, signature

_SHARED_MACHINE = 2
"""Shortages of the machine's memory after which a trial is tried alone on it; one may be a neighbour's fault."""


@dataclass(frozen=True)
class Place:
    """Where an attempt failed.

    Attributes:
        host: name of the machine.
        gpus: GPUs reserved for the trial; 0 on other devices.
        alone: whether the trial had its device to itself because of an earlier failure.
        proven: whether another trial has come to its end there under the same software. Without one, workers that are
            killed may speak of the machine, or of a library that is broken, and not of the trial.
    """

    host: str
    gpus: float = 0.0
    alone: bool = False
    proven: bool = False


def judged(failure: Mapping[str, Any], earlier: Sequence[Event], place: Place) -> dict[str, Any]:
    """Return the fields of a ``failed`` event, with the verdict on the trial in its message and fields.

    Args:
        failure: kind, message and traceback; ``device`` says whether it was the memory of a GPU that ran out. Of a
            worker that was killed after it had begun the trial, ``epoch``: how many were done by then.
        earlier: the trial's earlier failures, with their ``host``.
        place: where the attempt failed.
    """
    fields = {key: value for key, value in failure.items() if key != "device"}
    if failure["kind"] == "out_of_memory":
        return fields | _out_of_memory(failure, earlier, place)
    other = _host_of_equal(failure, earlier, place.host) if _speaks_of_the_trial(failure) else None
    if other is None:
        return fields | (_killed(failure, earlier, place) if failure["kind"] == "killed" else {})
    told = f"{INFEASIBLE}, failed equally on {other} and {place.host}"
    return fields | {"message": f"{told}: {failure['message']}", "infeasible": True}


def _out_of_memory(failure: Mapping[str, Any], earlier: Sequence[Event], place: Place) -> dict[str, Any]:
    if place.gpus and not failure.get("device"):
        return {}  # the machine's memory, on which a GPU of one's own has no bearing
    device = "GPU" if place.gpus else "machine"
    if place.alone:
        return {"message": f"{INFEASIBLE}, alone on a {device}: {failure['message']}", "alone": True}
    if not place.gpus and sum(event["kind"] == "out_of_memory" for event in earlier) + 1 < _SHARED_MACHINE:
        return {}
    share = f"{place.gpus:g} of a GPU" if 0 < place.gpus < 1 else f"a whole {device}"
    told = f"with {share}" if place.gpus else "for the second time"
    return {"message": f"{told}, tried again alone: {failure['message']}", "alone": False}


def _killed(failure: Mapping[str, Any], earlier: Sequence[Event], place: Place) -> dict[str, Any]:
    """Judge the end of a worker by a signal: a neighbour may have taken the memory, or somebody has sent the signal.

    So only kills without an epoch between them count, and at last one that the trial met alone.
    """
    epoch = failure.get("epoch")
    if epoch is None or place.gpus:  # it had not begun; or a GPU of one's own keeps nobody off the machine's memory
        return {}
    if not any(event["kind"] == "killed" and event.get("epoch") == epoch for event in earlier):
        return {}
    if not place.alone:
        told = f"killed again without an epoch between, after {epoch}, tried again alone"
        return {"message": f"{told}: {failure['message']}", "alone": False}
    if not place.proven:
        return {}
    return {"message": f"{INFEASIBLE}, alone on a machine: {failure['message']}", "alone": True}


def _speaks_of_the_trial(failure: Mapping[str, Any]) -> bool:
    """Return whether the failure comes from the trial: an error of code or data, a hang or a fault at a known line."""
    if failure["kind"] in ("hung", "killed"):
        return bool(failure.get("traceback"))
    return failure["kind"] in ("crashed", "data") and not may_pass(failure)


def _host_of_equal(failure: Mapping[str, Any], earlier: Sequence[Event], host: str) -> str | None:
    cause = signature(failure)
    equal = (event.get("host") for event in earlier if signature(_without_verdict(event)) == cause)
    return next((other for other in equal if other and other != host), None)


def _without_verdict(event: Event) -> Event:
    return event | {"message": str(event["message"]).partition(": ")[2]} if event.get("infeasible") else event
