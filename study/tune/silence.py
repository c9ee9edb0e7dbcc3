"""Ends workers from which nothing is heard: a stopped process, or one that storage never answers, cannot end itself.

It counts from when a unit's worker is up, which Tune knows: one that is stopped before it has begun the unit is silent
like any other. One whose process is there and does not come up has at least ``STARTING_S``, since it gives no signs of
life and may import from slow storage; getting a process may take as long as it likes. Where signs of life are is for
``study.schedule.signs_of_life`` to know. This machine's clock counts from when they were noticed, so clocks need not
agree.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.layout import RunFolder
from study.schedule.failures.lost_worker import Loss
from study.schedule.signs_of_life import LOOKS, Signs, signs_of_life
from study.schedule.units import WorkUnit
from study.tune.losses import TrialActor, place_of_actor
from study.tune.ray_watch import repeated
from trainables.foundation.objects.requests import StoreError

STARTING_S = 300.0
"""Least time for a process to come up, in seconds."""


@dataclass
class _Watched:
    unit: WorkUnit
    before: Hashable  # what an earlier attempt has left
    since: float
    seen: Hashable = None  # the worker and its last sign of life; None while there is no worker


class SilenceWatch:
    """Knows the units at work, by the id of their Tune trial, and ends the workers of those that are silent.

    Args:
        signs: of life of the run's workers.
        limit_s: silence of so many seconds is too long.
        worker_of: returns the worker of a Tune trial, None as long as it has no process.
    """

    def __init__(self, signs: Signs, limit_s: float, worker_of: Callable[[str], TrialActor | None]) -> None:
        self._signs = signs
        self._limit_s = limit_s
        self._worker_of = worker_of
        self._units: dict[str, _Watched] = {}
        self._ended: dict[str, Loss] = {}

    def handed_out(self, tune_id: str, unit: WorkUnit) -> None:
        """Watch a unit."""
        self._units[tune_id] = _Watched(unit, self._signs.before(unit), time.monotonic())

    def take(self, tune_id: str) -> Loss | None:
        """Forget a unit that has ended; return why, if this watch ended its worker."""
        self._units.pop(tune_id, None)
        return self._ended.pop(tune_id, None)

    def look(self) -> None:
        """End the workers that have been silent for too long since they were given their unit, or did not come up."""
        for tune_id, watched in list(self._units.items()):
            try:
                self._look_at(tune_id, watched)
            except (StoreError, RayError):  # a store or a head that does not answer says nothing of a worker
                watched.since = time.monotonic()

    def _look_at(self, tune_id: str, watched: _Watched) -> None:
        worker = self._worker_of(tune_id)
        seen = None if worker is None else (worker, self._signs.now(watched.unit))
        now = time.monotonic()
        if worker is None or seen != watched.seen:
            watched.seen, watched.since = seen, now
        elif now - watched.since > self._limit_of(worker) and tune_id not in self._ended:
            watched.since = now
            over = self._signs.is_over(watched.unit, watched.before)  # and Tune will be told soon
            if not over and self._units.get(tune_id) is watched:
                self._end(tune_id, worker)

    def _limit_of(self, worker: TrialActor) -> float:
        return self._limit_s if worker.is_up else max(self._limit_s, STARTING_S)

    def _end(self, tune_id: str, worker: TrialActor) -> None:
        """End the worker of a unit."""
        place = place_of_actor(worker.actor_id)
        if place is None:
            return
        told = f"{self._limit_of(worker):g} s (resources.silence_s), on {place.host}"
        message = f"no sign of life for {told}" if worker.is_up else f"the worker did not come up within {told}"
        self._ended[tune_id] = Loss("hung", message)
        where = NodeAffinitySchedulingStrategy(place.node, soft=False)
        ray.remote(_kill_worker).options(num_cpus=0, scheduling_strategy=where).remote(place.pid)


def _kill_worker(pid: int) -> None:
    """End a process of this node, provided that it still is a worker of Ray; a stopped one heeds nothing else."""
    try:
        if psutil.Process(pid).name().startswith("ray::"):
            os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass


@contextmanager
def ended_when_silent(
    folder: RunFolder, limit_s: float | None, worker_of: Callable[[str], TrialActor | None]
) -> Iterator[SilenceWatch | None]:
    """Watch the units that are handed out while the block runs; without a limit, none."""
    if limit_s is None:
        yield None
        return
    watch = SilenceWatch(signs_of_life(folder), limit_s, worker_of)
    with repeated(watch.look, limit_s / LOOKS, "silence-watch"):
        yield watch
