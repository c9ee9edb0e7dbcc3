"""Progress of a run while it goes on: a bar on a terminal, a line now and then where there is none."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from study.display import duration
from study.workload import Pace, Workload

_REFRESH_S = 1.0
_LINE_EVERY_S = 20.0


class LiveProgress:
    """Shows how much work is done and how long the rest will take. Use as a context manager around the run.

    Progress is counted in work, epochs that running trials have journalled included, so that the time left moves
    also while no trial ends.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("starting workers", total=None)
        self._workload: Workload | None = None
        self._pace: Pace | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="live-progress", daemon=True)

    def update(self, workload: Workload) -> None:
        """Take the newest workload; the listener of a run."""
        if self._pace is None:
            self._pace = Pace(time.monotonic(), workload.done_now())
        self._workload = workload

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._bar.stop()

    def _loop(self) -> None:
        every = _REFRESH_S if self._console.is_terminal else _LINE_EVERY_S
        while not self._stop.wait(every):
            workload, pace = self._workload, self._pace
            if workload is not None and pace is not None:
                self._show(workload, pace)

    def _show(self, workload: Workload, pace: Pace) -> None:
        done = workload.done_now()
        left = pace.seconds_left(workload, done, time.monotonic())
        text = f"{workload.trials_done} of {workload.trials_total} trials done"
        if workload.failed:
            text += f", {workload.failed} failed"
        if left is not None:
            text += f", about {duration(left)} left"
        if self._console.is_terminal:
            total = workload.done + workload.left
            self._bar.update(self._task, description=text, total=total, completed=done)
        else:
            self._console.print(text, highlight=False)
