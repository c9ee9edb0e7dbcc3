"""Live progress of a run: a few redrawn lines on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from study.schedule.workload import Workload
from study.status.status import RunningTrial, StudyStatus, study_status
from study.terminal.display import duration, say
from study.terminal.live_block import LiveDisplay, bar

_LINES_BESIDE_TRIALS = 6
"""Terminal lines reserved for everything but the running trials."""

_REST = 20
"""How many times as long as the figures took to compute they stay: the driver of the run needs the same process."""

_NAMED = 2
"""Running trials that a single line names."""


class LiveProgress:
    """Shows the same figures as ``modstudy status``. Use as a context manager around the run.

    Args:
        console: the console to print to.
        hint: how to open MLflow; empty without tracking.
        line: function that shows one line in place of the previous one, in a notebook; None elsewhere.
    """

    def __init__(self, console: Console, hint: str = "", line: Callable[[str], None] | None = None) -> None:
        self._console = console
        self._line = line
        self._hint = hint
        self._display = LiveDisplay(console, line)
        self._started = time.monotonic()
        self._workload: Workload | None = None
        self._workers = 1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="live-progress", daemon=True)

    def update(self, workload: Workload) -> None:
        """Receive the newest workload; this is the listener to pass to a run."""
        self._workload = workload
        self._workers = max(self._workers, len(workload.in_flight))

    def __enter__(self) -> Self:
        self._display.__enter__()
        if self._hint and self._line is None and not self._display.redrawn:
            say(self._console, self._hint)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._display.__exit__(kind, error, trace)
        if self._line is not None and kind is None:
            self._show()  # leave the final figures on display

    def _loop(self) -> None:
        while True:
            begun = time.monotonic()
            self._show()
            took = time.monotonic() - begun
            if self._stop.wait(max(self._display.every_s, _REST * took)):
                return

    def _show(self) -> None:
        workload = self._workload
        elapsed = time.monotonic() - self._started
        if workload is None:
            starting = f"starting workers, {duration(elapsed)} so far"
            self._display.show([starting, self._hint], starting)
            return
        status = study_status(workload.now(), time.time(), "alive", self._workers)
        line = "; ".join([", ".join([_counts(status), *_times(status, elapsed)]), *_at_work(status), *_best(status)])
        self._display.show([*live_lines(self._console, status, elapsed), self._hint], line)


def live_lines(console: Console, status: StudyStatus, elapsed: float) -> list[str]:
    """Return the lines for a terminal: trials done, as a bar and in words, times, running trials, best so far."""
    width, height = console.size
    counts, most_trials = _counts(status), height - _LINES_BESIDE_TRIALS
    drawn = bar(console, status.done, status.total, width - len(counts) - 2)
    running = [f"{_name(trial)}: {trial.epoch} of {trial.epochs} epochs done" for trial in status.running]
    shown = running if len(running) <= most_trials else running[: max(0, most_trials - 1)]
    hidden = len(running) - len(shown)
    more = [f"{'and ' if shown else ''}{hidden} {'more ' if shown else ''}trials at work"] if hidden else []
    return [f"{drawn} {counts}".strip(), ", ".join(_times(status, elapsed)), *shown, *more, *_best(status)]


def _name(trial: RunningTrial) -> str:
    return f"{trial.arm} {trial.stage} {trial.index}"


def _at_work(status: StudyStatus) -> list[str]:
    """Name what runs in a part of a line."""
    named = [f"{_name(trial)} ({trial.epoch} of {trial.epochs} epochs)" for trial in status.running[:_NAMED]]
    hidden = len(status.running) - len(named)
    return ["running: " + ", ".join([*named, *([f"{hidden} more"] if hidden else [])])] if named else []


def _counts(status: StudyStatus) -> str:
    failed = sum(arm.failed for arm in status.arms)
    return f"{status.done} of {status.total} trials done" + (f", {failed} failed" if failed else "")


def _times(status: StudyStatus, elapsed: float) -> list[str]:
    left = status.seconds_left
    return [f"{duration(elapsed)} so far", *([f"about {duration(left)} left"] if left else [])]


def _best(status: StudyStatus) -> list[str]:
    found = [(arm.objective, arm.name) for arm in status.arms if arm.objective is not None]
    if not found:
        return []
    objective, name = max(found, key=lambda pair: pair[0])  # ties: the first one
    return [f"best so far: {name}, {objective:.4f} {status.objective}"]
