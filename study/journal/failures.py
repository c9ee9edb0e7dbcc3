"""Recognizes identical failures, so that they are reported once and not retried needlessly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARIES = re.compile(r"0x[0-9a-f]+|\b(?=\w*\d)[0-9a-f]{8,}\b|\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
"""Parts that vary between messages of the same failure: addresses, trial ids, sizes, indices, amounts of memory."""

_PLACE = re.compile(r'^ *File "([^"]+)", line (\d+), in (.+)$', re.MULTILINE)
_ENVIRONMENT = re.compile(
    r"^(?:[\w.]+\.)?(?:OSError|AcceleratorError|\w*(?:Timeout|Timedout|Connection|BrokenPipe|IO)\w*Error)\b",
    re.MULTILINE,
)
"""Traceback lines that name a system or device error instead of a code error."""


def signature(failure: Mapping[str, Any]) -> str:
    """Return a key shared by ``failed`` events with the same cause: kind, code location and message.

    Numbers, addresses and ids in the message are ignored.
    """
    places = _PLACE.findall(failure.get("traceback") or "")
    place = ":".join(places[-1]) if places else ""
    return "|".join((failure["kind"], place, _VARIES.sub("#", " ".join(str(failure["message"]).split()))))


def may_pass(failure: Mapping[str, Any]) -> bool:
    """Return whether a retry of the same trial might succeed.

    True for failures caused by memory, disks, networks or lost processes; False for code errors.
    """
    trace = failure.get("traceback") or ""
    return failure["kind"] not in ("crashed", "data") or not trace or bool(_ENVIRONMENT.search(trace))


def one_line(failure: Mapping[str, Any]) -> str:
    """Return kind and message on one line."""
    return f"{failure['kind']}: {' '.join(str(failure['message']).split())}"
