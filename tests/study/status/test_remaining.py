"""The time left, on schedules that are played in made-up time by the real dispatcher and the real journals."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from study.definition.model import StudyDefinition
from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.dispatch import Dispatcher
from study.schedule.units import WorkUnit
from study.status.remaining import makespan, seconds_left

SETTINGS: dict[str, Any] = {
    "name": "made-up",
    "data": {"source": {"kind": "generated"}, "tasks": ["Smiling", "Glasses", "Hat"], "image_size": 48},
    "network": {"width": 0.0625},
    "optimization": {"epochs": 6},
    "space": {
        "blocks": [
            {"placement": ["none"], "grouping": ["per_task", "network_per_task"]},
            {"placement": ["late", "all"]},
        ],
        "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
    },
    "search": {"trials_per_arm": 6, "round_size": 3},
    "confirm": {"seeds": [1, 2, 3]},
}
HALVING = {"search": {"trials_per_arm": 8, "round_size": 8, "halving": {"rungs": [1, 3], "keep": 0.5}}}


@dataclass
class Clock:
    """Made-up time."""

    now: float = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made_up = Clock()
    monkeypatch.setattr(time, "time", made_up)
    return made_up


@dataclass(frozen=True)
class Speeds:
    """How long things take: an epoch by arm, the start of a worker, the evaluation at the end of a unit."""

    epoch: dict[str, float]
    start: float
    evaluation: float


class Schedule:
    """Plays a study; ``told`` are the moments at which a time left was said, with what was said."""

    def __init__(self, plan: StudyPlan, folder: RunFolder, clock: Clock, workers: int) -> None:
        self.plan, self.folder, self.clock, self.workers = plan, folder, clock, workers
        self.dispatcher = Dispatcher(plan, folder, {})
        self.told: list[tuple[float, float]] = []
        self.silent: list[float] = []

    def play(self, speeds: Speeds) -> float:
        """Return when all was done."""
        events: list[tuple[float, int, WorkUnit, list[tuple[float, str, dict[str, Any]]]]] = []
        fresh = [True] * self.workers
        idle, number = list(range(self.workers)), 0
        serving: dict[str, int] = {}
        while True:
            while idle and (unit := self.dispatcher.next_unit()) is not None:
                worker = idle.pop()
                serving[unit.trial.trial_id] = worker
                lines = self._lines(unit, speeds, speeds.start if fresh[worker] else 0.0)
                fresh[worker] = False
                heapq.heappush(events, (lines[0][0], number := number + 1, unit, lines))
            if not events:
                return self.clock.now
            self.clock.now, _, unit, lines = heapq.heappop(events)
            _, event, fields = lines.pop(0)
            with JournalWriter(self.folder.trial(unit.trial.trial_id).journal) as journal:
                journal.append(event, **fields)
            if lines:
                heapq.heappush(events, (lines[0][0], number := number + 1, unit, lines))
            else:
                idle.append(serving.pop(unit.trial.trial_id))
                self.dispatcher.ended(unit, crashed=False)
            if number % 3 == 0 or self.dispatcher.exhausted:  # asking costs more than playing
                self._ask()

    def _ask(self) -> None:
        said = seconds_left(self.dispatcher.workload().now(), self.workers, self.clock.now)
        if said is None:
            self.silent.append(self.clock.now)
        else:
            self.told.append((self.clock.now, said))

    def _lines(self, unit: WorkUnit, speeds: Speeds, start: float) -> list[tuple[float, str, dict[str, Any]]]:
        """What the worker will journal, and when."""
        trial, now = unit.trial, self.clock.now
        state = self.dispatcher.states.get(trial.trial_id)
        done, last = state.history.epoch if state else 0, unit.until_epoch or trial.config.optimization.epochs
        seconds = speeds.epoch[trial.arm.name]
        objective = int(trial.trial_id[:6], 16) / 2**24
        lines: list[tuple[float, str, dict[str, Any]]] = []
        if not state:
            lines.append((now, "planned", trial.planned_event("made-up")))
        lines.append((now, "started", {"attempt": 1, "from_epoch": done, "host": "a", "pid": 1, "versions": {}}))
        now += start
        for epoch in range(done + 1, last + 1):
            now += seconds
            lines.append((now, "epoch", {"epoch": epoch, "seconds": seconds, "metrics": {}}))
        now += speeds.evaluation
        if unit.until_epoch:
            lines.append((now, "paused", {"epoch": last, "objective": objective}))
        else:
            end = {"epochs_run": last, "objective": objective, "task_metrics": [], "peak_memory_bytes": 1}
            lines.append((now, "finished", end))
        return lines


@pytest.fixture
def schedule(tmp_path: Path, clock: Clock) -> Callable[..., Schedule]:
    def make(changes: dict[str, Any], workers: int) -> Schedule:
        plan = compile_plan(StudyDefinition.model_validate({**SETTINGS, **changes}))
        return Schedule(plan, RunFolder(tmp_path / "run"), clock, workers)

    return make


SPEEDS = {
    "as multiply-adds say": Speeds({"shared": 10, "separate": 30, "late": 10, "all": 10}, 20, 5),
    "the dear arm is dearer still": Speeds({"shared": 2, "separate": 60, "late": 3, "all": 3}, 5, 1),
    "the dear arm costs nothing more": Speeds({"shared": 10, "separate": 9, "late": 12, "all": 20}, 10, 30),
    "epochs take no time beside the start of a worker": Speeds(
        {"shared": 1, "separate": 3, "late": 1, "all": 1}, 30, 1
    ),
}


@pytest.mark.parametrize(("changes", "workers"), [({}, 1), (HALVING, 4)], ids=["rounds", "halving"])
@pytest.mark.parametrize("speeds", SPEEDS.values(), ids=SPEEDS.keys())
def test_no_time_left_is_told_that_is_wrong_by_more_than_a_factor_of_two(
    changes: dict[str, Any], workers: int, speeds: Speeds, schedule: Callable[..., Schedule]
) -> None:
    played = schedule(changes, workers)
    began = played.clock.now
    ended = played.play(speeds)
    wrong = [
        (now - began, said, ended - now)
        for now, said in played.told
        if not ended - now <= 2 * said <= 4 * (ended - now) + 1e-6
    ]
    assert not wrong, (ended - began, wrong[:3])
    assert played.told
    assert played.told[0][0] - began < 0.7 * (ended - began)  # soon enough to be of use


def test_the_first_trials_say_nothing_about_the_rest(schedule: Callable[..., Schedule]) -> None:
    played = schedule({}, 2)
    began = played.clock.now
    played.play(SPEEDS["as multiply-adds say"])
    assert played.silent[0] <= began + 30
    assert len(played.silent) >= 2 * 9 / 3  # both workers' first trials, every third line


def test_nothing_left_is_no_time(schedule: Callable[..., Schedule]) -> None:
    played = schedule({}, 2)
    played.play(SPEEDS["as multiply-adds say"])
    assert played.told[-1][1] == 0.0


@pytest.mark.parametrize(
    ("arms", "workers", "seconds"),
    [
        ([[[2.0, 2.0], [2.0]]], 2, 4.0),  # stages follow one another
        ([[[2.0, 2.0], [2.0]]], 1, 6.0),
        ([[[1.0], [1.0]], [[2.0]]], 2, 2.0),  # arms do not wait for each other
        ([[[3.0, 1.0, 1.0, 1.0]]], 2, 3.0),
        ([], 2, 0.0),
    ],
)
def test_a_schedule_is_played_as_the_dispatcher_would(
    arms: list[list[list[float]]], workers: int, seconds: float
) -> None:
    assert makespan(arms, workers) == seconds


def test_epochs_that_differ_much_tell_no_time(
    schedule: Callable[..., Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = schedule({}, 2)
    lines_of = played._lines

    def on_a_busy_machine(unit: WorkUnit, speeds: Speeds, start: float) -> list[tuple[float, str, dict[str, Any]]]:
        lines = lines_of(unit, speeds, start)
        for index, (_, event, fields) in enumerate(lines):
            if event == "epoch":
                fields["seconds"] *= (1, 9)[index % 2]
        return lines

    monkeypatch.setattr(played, "_lines", on_a_busy_machine)
    played.play(SPEEDS["as multiply-adds say"])
    assert {said for _, said in played.told} == {0.0}
