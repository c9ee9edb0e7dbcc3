"""Decides, when a failure is journalled, whether the trial can ever finish: alone on its device, or on another node.

A verdict is written into the ``failed`` event, so everything that reads the journal agrees on it. Lost and killed
workers never count, since they say nothing about the trial.
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
        alone: whether the trial had its device to itself because it had run out of memory before.
    """

    host: str
    gpus: float = 0.0
    alone: bool = False


def judged(failure: Mapping[str, Any], earlier: Sequence[Event], place: Place) -> dict[str, Any]:
    """Return the fields of a ``failed`` event, with the verdict on the trial in its message and fields.

    Args:
        failure: kind, message and traceback; ``device`` says whether it was the memory of a GPU that ran out.
        earlier: the trial's earlier failures, with their ``host``.
        place: where the attempt failed.
    """
    fields = {key: value for key, value in failure.items() if key != "device"}
    if failure["kind"] == "out_of_memory":
        return fields | _out_of_memory(failure, earlier, place)
    other = _host_of_equal(failure, earlier, place.host) if _speaks_of_the_trial(failure) else None
    if other is None:
        return fields
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


def _speaks_of_the_trial(failure: Mapping[str, Any]) -> bool:
    """Return whether the failure comes from the trial: an error of code or data, or a hang at a known line."""
    if failure["kind"] == "hung":
        return bool(failure.get("traceback"))
    return failure["kind"] in ("crashed", "data") and not may_pass(failure)


def _host_of_equal(failure: Mapping[str, Any], earlier: Sequence[Event], host: str) -> str | None:
    cause = signature(failure)
    equal = (event.get("host") for event in earlier if signature(_without_verdict(event)) == cause)
    return next((other for other in equal if other and other != host), None)


def _without_verdict(event: Event) -> Event:
    return event | {"message": str(event["message"]).partition(": ")[2]} if event.get("infeasible") else event
