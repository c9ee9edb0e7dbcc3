"""How much of a study is left and how long it will take; None before that can be known within a factor of two.

What is left of an arm is known from the plan: rounds of tune trials, of which halving ends some early, then confirm
trials. How long it takes is seen from epochs and trials that have ended. An arm of which no epoch was seen is guessed
from the others by its multiply-adds, which may be far off, so the guesses may only be a small part of the whole.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.definition.model import StudyDefinition
from study.schedule.progress import ArmState, RunProgress, TrialProgress, tune_total
from study.status.timing import Speeds, speeds_of

_SEEN, _GUESSED = 1.25, 4.0
"""By which factor an epoch's seconds may be wrong, either way, in an arm of which epochs were seen (and were alike), or
none was."""

_KNOWN_WITHIN = 2.0


@dataclass(frozen=True)
class Job:
    """What is left of a trial, as far as its next rung or its end: epochs, less the ``seconds`` since its last one."""

    epochs: int
    seconds: float = 0.0


Stage = tuple[Job, ...]
"""Trials that may run side by side."""


@dataclass(frozen=True)
class ArmWork:
    """What is expected to be left of an arm: stages that follow one another."""

    arm_id: str
    stages: tuple[Stage, ...]

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(job.epochs for stage in self.stages for job in stage)

    def durations(self, epoch: float, beside: float) -> list[list[float]]:
        """Return how long each job takes, by stage."""
        return [[max(0.0, job.epochs * epoch + beside - job.seconds) for job in stage] for stage in self.stages]


def work_left(progress: RunProgress, now: float | None = None) -> tuple[ArmWork, ...]:
    """Return what is expected to be left of every arm, at ``now`` (unix seconds) where times are asked for."""
    return tuple(_arm_work(progress, state, now) for state in progress.states)


def seconds_left(progress: RunProgress, workers: int, now: float) -> float | None:
    """Return how long the rest takes with so many trials at once; None before it is known within a factor of two.

    The first trial of every worker also loads libraries, so more trials than there are workers must have ended.
    """
    if progress.to_propose:
        return None  # of arms that are not known yet
    work = [left for left in work_left(progress, now) if left.stages]
    if not work:
        return 0.0
    speeds = speeds_of(progress)
    if speeds is None or speeds.ended <= workers:
        return None
    durations = {left.arm_id: left.durations(speeds.epoch[left.arm_id], speeds.beside[left.arm_id]) for left in work}
    return makespan(list(durations.values()), workers) if _is_known(durations, speeds) else None


def _is_known(durations: Mapping[str, list[list[float]]], speeds: Speeds) -> bool:
    """Whether what is guessed is too little to be wrong by a factor of two in all."""
    factors = {arm_id: max(_SEEN, spread) for arm_id, spread in speeds.spread.items()}  # wide on a machine that is busy
    parts = [(sum(map(sum, own)), factors.get(arm_id, _GUESSED)) for arm_id, own in durations.items()]
    low, high = sum(part / factor for part, factor in parts), sum(part * factor for part, factor in parts)
    return high <= low * _KNOWN_WITHIN**2


def makespan(arms: Sequence[Sequence[Sequence[float]]], workers: int) -> float:
    """Return when all is done, where free workers take from the arm with most work left, as the dispatcher does.

    Args:
        arms: of each the durations of jobs, by stage.
        workers: jobs at once.
    """
    ahead = [_Ahead(stages) for stages in arms]
    ready = [(-arm.left, index) for index, arm in enumerate(ahead) if arm.ready]
    heapq.heapify(ready)
    now, running = 0.0, list[tuple[float, int]]()
    while True:
        while len(running) < workers and ready:
            _, index = heapq.heappop(ready)
            heapq.heappush(running, (now + ahead[index].take(), index))
            if ahead[index].ready:
                heapq.heappush(ready, (-ahead[index].left, index))
        if not running:
            return now
        now, index = heapq.heappop(running)
        if ahead[index].ended():
            heapq.heappush(ready, (-ahead[index].left, index))


class _Ahead:
    """An arm in a schedule that is played in advance."""

    def __init__(self, stages: Sequence[Sequence[float]]) -> None:
        self._stages = [sorted(stage) for stage in stages if stage]
        self._flying = 0
        self.left = sum(map(sum, stages))
        self.ready = self._stages.pop(0) if self._stages else []

    def take(self) -> float:
        self._flying += 1
        taken = self.ready.pop()
        self.left -= taken
        return taken

    def ended(self) -> bool:
        """Take note that a job has ended; return whether the next stage begins now."""
        self._flying -= 1
        begins = not (self.ready or self._flying) and bool(self._stages)
        if begins:
            self.ready = self._stages.pop(0)
        return begins


def _arm_work(progress: RunProgress, arm: ArmState, now: float | None) -> ArmWork:
    arm_id, definition, trials = arm.arm.arm.arm_id, progress.plan.definition, arm.trials
    if arm.progress.done:
        return ArmWork(arm_id, ())
    epochs, size = definition.optimization.epochs, definition.search.round_size
    tune = [trial for trial in trials if trial.trial.stage == "tune"]
    confirm = [trial for trial in trials if trial.trial.stage == "confirm"]
    drawn = sorted({trial.trial.round for trial in tune})
    rounds = [
        [_begun(trial, now) for trial in tune if trial.trial.round == number and not trial.is_done] for number in drawn
    ]
    total = tune_total(progress.plan, arm.arm, arm.progress)
    rounds += [[Job(0)] * min(size, total - start) for start in range(len(tune), total, size)]
    stages = [stage for jobs in rounds for stage in _stages(definition, jobs)]
    if confirm:
        stages.append(_to(epochs, [_begun(trial, now) for trial in confirm if not trial.is_done]))
    elif not arm.progress.failure:
        stages.append((Job(epochs),) * len(definition.confirm.seeds))
    return ArmWork(arm_id, tuple(stage for stage in stages if stage))


def _begun(trial: TrialProgress, now: float | None) -> Job:
    """Return how many epochs a trial has done, and how long ago it did the last one if it is at work."""
    if trial.state != "running" or trial.history is None or now is None:
        return Job(trial.epochs_run)
    return Job(trial.epochs_run, max(0.0, now - trial.history.updated))


def _to(epochs: int, begun: Sequence[Job]) -> Stage:
    return tuple(Job(epochs - job.epochs, job.seconds) for job in begun)


def _stages(definition: StudyDefinition, begun: Sequence[Job]) -> list[Stage]:
    """Return the stages of a round whose trials have come this far; at a rung, only the best share continues."""
    halving, level = definition.search.halving, sorted(begun, key=lambda job: -job.epochs)
    stages = []
    for rung in halving.rungs if halving else ():
        behind = [job for job in level if job.epochs < rung]
        if behind and halving is not None:
            stages.append(_to(rung, behind))
            reached = [job if job.epochs >= rung else Job(rung) for job in level]
            level = reached[: math.ceil(halving.keep * len(level))]
    return [*stages, _to(definition.optimization.epochs, level)]
