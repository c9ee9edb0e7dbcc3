"""Watches the nodes of a cluster while a study runs there: asks for more, and sees that those that join are equal."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from study.errors import UserError
from study.schedule.dispatch import Dispatcher
from study.schedule.fusing import fused_units
from study.schedule.units import Resources
from study.tune.nodes.capacity import bundle, fitting_of, largest_node
from study.tune.nodes.versions import VersionsCheck
from study.tune.ray_watch import repeated

_EVERY_S = 5.0
_MOST_ASKED_FOR = 2_000
"""Units for which the autoscaler is asked at most: it packs them one by one whenever it looks."""


class NodesWatch:
    """Looks at the nodes of a cluster.

    Ray asks for what waiting Tune trials need, and few of those wait, so a cluster would grow node by node. Where all
    nodes are gone, the run waits for others as long as it takes: the cluster may be made of preemptible ones.

    Args:
        dispatcher: knows the units that could run now.
        round_size: tune trials of a round.
        versions: compares nodes that join with the driver.
        limit: units at once at most; None for as many as fit.
        notice: is told when no node is left, and when there are nodes again.

    Looks are made by a thread of their own, which must not ask the dispatcher for what changes with every event.

    Attributes:
        refused: why the run had to be ended; None unless it had to.
        largest: CPUs of the largest node, on which a unit can be alone; 0 if there is none, or before the first look.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        round_size: int,
        versions: VersionsCheck,
        limit: int | None,
        notice: Callable[[str], None],
    ) -> None:
        self.refused: UserError | None = None
        self.largest = 0.0
        self._dispatcher = dispatcher
        self._round_size = round_size
        self._versions = versions
        self._most = min(limit or _MOST_ASKED_FOR, _MOST_ASKED_FOR)
        self._notice = notice
        self._wanted: Counter[Resources] = Counter()
        self._asked_for: Counter[Resources] = Counter()
        self._fitting: dict[Resources, int] = {}
        self._is_due = True
        self._lack = ""

    def fitting(self) -> dict[Resources, int]:
        """Return how many units of each kind fit at once; empty until that is known.

        For the thread that drives the run, which also counts here, once for every look, the units that could run.
        """
        if self._is_due:
            self._dispatcher.reservations.know_largest_node(self.largest)
            self._wanted = units_wanted(self._dispatcher, self._round_size, self._most)
            self._is_due = False
        return self._fitting

    def look(self) -> bool:
        """Look once; return whether the run has been ended, as Ctrl-C would."""
        from ray.exceptions import RayError

        try:
            self._versions.look(wait_s=0)
            self._ask()
            self._tell()
            self._is_due = True
        except UserError as error:
            self.refused = error
            os.kill(os.getpid(), signal.SIGTERM)
        except RayError:  # the head does not answer, which ``ray_watch`` judges
            return False
        return self.refused is not None

    def _ask(self) -> None:
        """Ask the autoscaler for room for all units that could run; a cluster without one hears nothing."""
        from ray.autoscaler.sdk import request_resources

        wanted = self._wanted
        if wanted != self._asked_for:
            request_resources(bundles=[bundle(kind) for kind, units in wanted.items() for _ in range(units)])
            self._asked_for = wanted

    def ask_no_more(self) -> None:
        """Take back what was asked for, since the autoscaler keeps it in mind; only while the head answers."""
        from ray.autoscaler.sdk import request_resources

        if self._asked_for:
            request_resources(bundles=[])

    def _tell(self) -> None:
        before, kinds = self._lack, self._dispatcher.reservations.kinds
        self._fitting, self._lack = fitting_of(kinds)
        self.largest = largest_node(kinds)
        if self._lack and not before:
            self._notice(f"waiting for nodes: {self._lack}")
        if before and not self._lack:
            self._notice("there are nodes again")


def units_wanted(dispatcher: Dispatcher, round_size: int, most: int) -> Counter[Resources]:
    """Return how many units could run now, those that do included, by what they reserve; in all at most so many."""
    wanted: Counter[Resources] = Counter()
    stopped = dispatcher.stopped
    for arm_id, arm in list(dispatcher.arms.items()):
        for unit in fused_units(arm.ready, round_size) if arm_id not in stopped else ():
            if wanted.total() == most:
                return wanted
            wanted[dispatcher.resources(unit)] += 1
    return wanted


@contextmanager
def watching(watch: NodesWatch | None) -> Iterator[None]:
    """Look at the nodes every few seconds while the block runs; without a watch, never."""
    if watch is None:
        yield
        return
    with repeated(watch.look, _EVERY_S, "nodes-watch"):
        yield
