"""When two failures are one and the same, so that it is said once and tried no more often than makes sense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARIES = re.compile(r"0x[0-9a-f]+|\b(?=\w*\d)[0-9a-f]{8,}\b|\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
"""What differs between messages of the same failure: addresses, ids of trials, sizes, indices, amounts of memory."""

_PLACE = re.compile(r'^ *File "([^"]+)", line (\d+), in (.+)$', re.MULTILINE)
_ENVIRONMENT = re.compile(
    r"^(?:[\w.]+\.)?(?:OSError|AcceleratorError|\w*(?:Timeout|Timedout|Connection|BrokenPipe|IO)\w*Error)\b",
    re.MULTILINE,
)
"""Lines of a traceback that name an error of the system or of a device rather than of the code."""


def signature(failure: Mapping[str, Any]) -> str:
    """Return what a ``failed`` event has in common with others of the same cause: kind, place in the code, message.

    Numbers, addresses and ids in the message are left out of account.
    """
    places = _PLACE.findall(failure.get("traceback") or "")
    place = ":".join(places[-1]) if places else ""
    return "|".join((failure["kind"], place, _VARIES.sub("#", " ".join(str(failure["message"]).split()))))


def may_pass(failure: Mapping[str, Any]) -> bool:
    """Whether the same trial might end otherwise a moment later, whatever its values are.

    So may whatever depends on memory, disks, networks and the lives of processes. An error of the code does not.
    """
    trace = failure.get("traceback") or ""
    return failure["kind"] not in ("crashed", "data") or not trace or bool(_ENVIRONMENT.search(trace))


def one_line(failure: Mapping[str, Any]) -> str:
    """Return kind and message on one line."""
    return f"{failure['kind']}: {' '.join(str(failure['message']).split())}"
