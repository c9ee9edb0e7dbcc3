"""Ends workers from which nothing is heard: a stopped process, or one that storage never answers, cannot end itself.

Signs of life are lines of the journal and heartbeats, with which a worker touches a file, see
``study.schedule.hang_watch``. This machine's clock counts from when they were noticed, so clocks need not agree.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.journal.journal import read_journal
from study.layout import RunFolder
from study.schedule.failures.lost_worker import Loss
from study.schedule.units import WorkUnit
from study.tune.ray_watch import repeated

_LOOKS = 8  # within the limit


@dataclass
class _Watched:
    unit: WorkUnit
    stale: float | None  # time of the note that an earlier attempt, killed with its driver, may have left
    sign: tuple[float, ...]
    since: float


class SilenceWatch:
    """Knows the units at work, by the id of their Tune trial, and ends the workers of those that are silent.

    Args:
        folder: of the run.
        limit_s: silence of so many seconds is too long.
    """

    def __init__(self, folder: RunFolder, limit_s: float) -> None:
        self._folder = folder
        self._limit_s = limit_s
        self._units: dict[str, _Watched] = {}
        self._ended: dict[str, Loss] = {}

    def handed_out(self, tune_id: str, unit: WorkUnit) -> None:
        """Watch a unit."""
        self._units[tune_id] = _Watched(unit, _touched(self._note(unit)), (), time.monotonic())

    def take(self, tune_id: str) -> Loss | None:
        """Forget a unit that has ended; return why, if this watch ended its worker."""
        self._units.pop(tune_id, None)
        return self._ended.pop(tune_id, None)

    def look(self) -> None:
        """End the workers of units that have been silent for too long since they were begun."""
        for tune_id, watched in list(self._units.items()):
            sign, now = self._sign(watched), time.monotonic()
            if sign != watched.sign or not sign:
                watched.sign, watched.since = sign, now
            elif now - watched.since > self._limit_s and tune_id not in self._ended:
                self._end(tune_id, watched.unit)
                watched.since = now

    def _note(self, unit: WorkUnit) -> Path:
        return self._folder.trial(unit.trial.trial_id).hang

    def _sign(self, watched: _Watched) -> tuple[float, ...]:
        """Return what changes with every sign of life; empty before a worker has begun."""
        beat = _touched(self._note(watched.unit))
        if beat is None or beat == watched.stale:
            return ()  # waiting for a worker
        journals = (self._folder.trial(each.trial_id).journal for each in watched.unit.trials)
        return beat, *(written for journal in journals if (written := _touched(journal)) is not None)

    def _end(self, tune_id: str, unit: WorkUnit) -> None:
        events = read_journal(self._folder.trial(unit.trial.trial_id).journal).events
        started = next((event for event in reversed(events) if event["event"] == "started"), None)
        if started is None or not started.get("node"):
            return
        message = f"no sign of life for {self._limit_s:g} s (resources.silence_s), on {started['host']}"
        self._ended[tune_id] = Loss("hung", message)
        where = NodeAffinitySchedulingStrategy(started["node"], soft=False)
        ray.remote(_kill_worker).options(num_cpus=0, scheduling_strategy=where).remote(started["pid"])


def _touched(path: Path) -> float | None:
    """Return when a file was written last; None if it is not there, since its worker may remove it at any time."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _kill_worker(pid: int) -> None:
    """End a process of this node, provided that it still is a worker of Ray; a stopped one heeds nothing else."""
    try:
        if psutil.Process(pid).name().startswith("ray::"):
            os.kill(pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass


@contextmanager
def ended_when_silent(folder: RunFolder, limit_s: float | None) -> Iterator[SilenceWatch | None]:
    """Watch the units that are handed out while the block runs; without a limit, none."""
    if limit_s is None:
        yield None
        return
    watch = SilenceWatch(folder, limit_s)
    with repeated(watch.look, limit_s / _LOOKS, "silence-watch"):
        yield watch
