"""A simulation of a study's schedule on the GPUs of a cluster.

The simulation follows the rules of ``study.schedule``: an arm draws its tune trials in rounds, and a round is over when
all of its trials are; at a rung of halving the better half of a round goes on once all of it is there; confirm trials
follow the last round. A free GPU takes a unit of the arm with most work left. A preempted GPU comes back after a while;
its trial goes on from its last epoch, on any GPU, after a worker has started.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Setting:
    """A study on a cluster.

    Attributes:
        gpus: of the cluster.
        arms: number of arms.
        tune: tune trials of an arm.
        confirm: confirm trials of an arm.
        round_size: tune trials of a round.
        epochs: of a trial.
        epoch_s: seconds of an epoch of the median arm.
        spread: standard deviation of the logarithm of an arm's seconds an epoch.
        rungs: epochs at which half of a round ends.
        preemptions: of a GPU, per hour.
        away_s: mean seconds until a preempted GPU is back.
        start_s: seconds until a new worker trains.
        longest_first: whether a free GPU takes the arm with most work left; else the first in the file.
        seed: of all that is random.
    """

    gpus: int = 1000
    arms: int = 400
    tune: int = 245
    confirm: int = 5
    round_size: int = 24
    epochs: int = 30
    epoch_s: float = 20.0
    spread: float = 0.0
    rungs: tuple[int, ...] = ()
    preemptions: float = 0.0
    away_s: float = 300.0
    start_s: float = 20.0
    longest_first: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Utilisation:
    """GPU seconds by use, the makespan in seconds, its lower bound, and busy GPUs at equal steps of time."""

    setting: Setting
    useful: float
    again: float
    away: float
    makespan: float
    bound: float
    busy: tuple[float, ...]

    def share(self, seconds: float) -> float:
        """Return a part of all GPU seconds."""
        return seconds / (self.makespan * self.setting.gpus)

    @property
    def idle(self) -> float:
        """GPU seconds without work."""
        return self.makespan * self.setting.gpus - self.useful - self.again - self.away


@dataclass
class _Unit:
    """A trial to train from one epoch to another, first of which a new worker starts where another one was lost."""

    arm: int
    begin: int
    end: int
    start_s: float = 0.0


@dataclass
class _Arm:
    """An arm on its way: its round's trials that are still to reach the present rung, and how many of them."""

    epoch_s: float
    rounds: deque[int]
    confirm: int
    ready: deque[_Unit] = field(default_factory=deque)
    size: int = 0
    out: int = 0
    rung: int = 0
    left_s: float = 0.0
    version: int = 0


class Simulation:
    """The run of one study; ``result`` once ``run`` has returned."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._random = np.random.default_rng(setting.seed)
        self._stops = (*setting.rungs, setting.epochs)
        seconds = setting.epoch_s * np.exp(setting.spread * self._random.standard_normal(setting.arms))
        self._arms = [_Arm(float(each), self._rounds(), setting.confirm) for each in seconds]
        self._queue: list[tuple[float, int, int]] = []
        self._events: list[tuple[float, int, _Unit | None, float]] = []  # end, number, unit, begin
        self._free = setting.gpus
        self._now = self._useful = self._again = self._away = 0.0
        self._number = 0
        self._changes: list[tuple[float, int]] = []

    def _rounds(self) -> deque[int]:
        size, tune = self._setting.round_size, self._setting.tune
        return deque(min(size, tune - start) for start in range(0, tune, size))

    def run(self) -> Utilisation:
        """Return what the GPUs did."""
        for number, arm in enumerate(self._arms):
            arm.left_s = self._work(arm)
            self._go_on(number)
        bound = self._bound()
        self._hand_out()
        end = 0.0
        while self._events:
            self._now, _, unit, begun = heapq.heappop(self._events)
            if unit is None:
                self._free += 1
            else:
                end = self._now
                self._ended(unit, begun)
            self._hand_out()
        return Utilisation(self._setting, self._useful, self._again, self._away, end, bound, self._busy(end))

    def _work(self, arm: _Arm) -> float:
        """Return the seconds of all trials of an arm that has not begun, with what halving is known to spare."""
        epochs = arm.confirm * self._setting.epochs
        for size in arm.rounds:
            before, entrants = 0, size
            for stop in self._stops:
                epochs += entrants * (stop - before)
                before, entrants = stop, _better_half(entrants)
        return arm.epoch_s * epochs

    def _bound(self) -> float:
        work = sum(arm.left_s for arm in self._arms) / self._setting.gpus
        rounds = math.ceil(self._setting.tune / self._setting.round_size) + bool(self._setting.confirm)
        return max(work, max(arm.epoch_s for arm in self._arms) * rounds * self._setting.epochs)

    def _go_on(self, number: int) -> None:
        """Make the next units of an arm, none of which is out or waiting."""
        arm = self._arms[number]
        if arm.size and arm.rung + 1 < len(self._stops):  # at a rung
            arm.size, arm.rung = _better_half(arm.size), arm.rung + 1
            begin, end = self._stops[arm.rung - 1], self._stops[arm.rung]
        elif arm.rounds:
            arm.size, arm.rung = arm.rounds.popleft(), 0
            begin, end = 0, self._stops[0]
        else:
            arm.size, arm.confirm, arm.rung = arm.confirm, 0, len(self._stops) - 1
            begin, end = 0, self._setting.epochs
        arm.ready = deque(_Unit(number, begin, end) for _ in range(arm.size))
        self._enter(number)

    def _enter(self, number: int) -> None:
        arm = self._arms[number]
        arm.version += 1
        if arm.ready:
            urgency = -arm.left_s if self._setting.longest_first else 0.0
            heapq.heappush(self._queue, (urgency, number, arm.version))

    def _hand_out(self) -> None:
        while self._free and self._queue:
            _, number, version = heapq.heappop(self._queue)
            arm = self._arms[number]
            if version != arm.version:
                continue
            unit = arm.ready.popleft()
            arm.out += 1
            self._enter(number)
            self._free -= 1
            self._changes.append((self._now, 1))
            self._push(self._now + unit.start_s + (unit.end - unit.begin) * arm.epoch_s, unit)

    def _push(self, end: float, unit: _Unit) -> None:
        """Let a unit end, or its GPU be taken away before."""
        rate = self._setting.preemptions / 3600
        cut = self._now + self._random.exponential(1 / rate) if rate else math.inf
        self._number += 1
        heapq.heappush(self._events, (min(end, cut), self._number, unit, self._now))

    def _ended(self, unit: _Unit, begun: float) -> None:
        arm = self._arms[unit.arm]
        self._changes.append((self._now, -1))
        arm.out -= 1
        spent, whole = self._now - begun, unit.end - unit.begin
        done = min(whole, max(0, math.floor((spent - unit.start_s) / arm.epoch_s + 1e-6)))
        self._useful += done * arm.epoch_s
        self._again += unit.start_s if done == whole else spent - done * arm.epoch_s
        arm.left_s -= done * arm.epoch_s
        if done < whole:
            self._lost(_Unit(unit.arm, unit.begin + done, unit.end, self._setting.start_s))
        else:
            self._free += 1
            if not arm.ready and not arm.out:
                self._go_on(unit.arm)
            else:
                self._enter(unit.arm)

    def _lost(self, unit: _Unit) -> None:
        """Take a GPU away, and let its trial wait for another one."""
        away = self._random.exponential(self._setting.away_s)
        self._away += away
        self._number += 1
        heapq.heappush(self._events, (self._now + away, self._number, None, self._now))
        self._arms[unit.arm].ready.appendleft(unit)
        self._enter(unit.arm)

    def _busy(self, end: float, steps: int = 400) -> tuple[float, ...]:
        """Return the mean number of GPUs with work at equal steps of time."""
        times, changes = np.array(self._changes).T
        order = np.argsort(times, kind="stable")
        busy = np.cumsum(changes[order])
        grid = np.linspace(0, end, steps, endpoint=False)
        return tuple(busy[np.searchsorted(times[order], grid, side="right") - 1].tolist())


def _better_half(size: int) -> int:
    return math.ceil(size / 2)
