"""A unit that must be alone reserves a whole node, which may go, or hold something of somebody else for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from study.schedule.dispatch import Dispatcher
from study.schedule.units import Resources

_PATIENCE_S = 60.0
"""Seconds without any other unit of the study, after which it is somebody else who holds a part of the node."""


class OwnNode:
    """Knows when a unit waits for a node of its own in vain.

    Args:
        dispatcher: of the run.
        largest: tells the CPUs of the largest node there is now; 0 if there is none, or no node is watched.
    """

    def __init__(self, dispatcher: Dispatcher, largest: Callable[[], float]) -> None:
        self._dispatcher = dispatcher
        self._largest = largest
        self._only_one_since: dict[str, float] = {}

    def is_waited_for_in_vain(self, tune_id: str, wanted: Resources, waiting: int) -> bool:
        """Return whether the unit of a Tune trial cannot have what it reserves; it then has to be handed out anew.

        If nothing else of the study runs, a unit of this study is alone without a whole node, too.

        Args:
            tune_id: of the Tune trial.
            wanted: what it reserves.
            waiting: how many units of the study wait so, this one included.
        """
        largest, reservations = self._largest(), self._dispatcher.reservations
        if not largest or wanted in reservations.kinds:  # it waits as all do
            return False
        if wanted.cpus > largest or reservations.nodes_are_shared:
            return True
        if self._dispatcher.in_flight > waiting:
            self._only_one_since.pop(tune_id, None)
            return False
        now = time.monotonic()
        if now - self._only_one_since.setdefault(tune_id, now) < _PATIENCE_S:
            return False
        reservations.share_nodes()
        return True
