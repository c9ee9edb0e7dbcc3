"""``modstudy affinity``: which tasks help each other in one shared training, and which to group."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from results.figures.affinity import TaskMatrix, affinity_figure, unit_of
from results.figures.canvas import Caption, save_figure
from results.report.captions.record import Basis, caption_line
from study.affinity import Chosen, StudyAffinity, measure_affinity, write_affinity
from study.interruption import EXIT_INTERRUPTED
from study.plan.plan import fingerprint_of
from study.run_folder.ownership import refuse_another_study
from study.session.target import find_target
from study.terminal.display import Heading, duration, open_console, print_table, say
from study.terminal.live_block import LiveDisplay, bar

MOST_PRINTED_TASKS = 12
"""Largest number of tasks whose matrix fits on 80 columns; otherwise each task's best and worst partner is printed."""

_MOST_PRINTED_GROUPS = 6

Floats = NDArray[np.float64]


def show_affinity(given: Path, runs: Path, out: Path | None, every_steps: int) -> int:
    """Measure, write file and heat map, and print both matrices with the groupings.

    Returns:
        The exit code: 0, or 130 after Ctrl-C, which leaves nothing behind.

    Raises:
        UserError: the study file breaks a rule or does not fit the data, or the run folder is another study's.
    """
    target = find_target(given, runs)
    if out is None:
        with target.named():
            refuse_another_study(target.definition, fingerprint_of(target.definition), target.folder)
    path = target.folder.affinity if out is None else out
    console = open_console()
    try:
        with target.named(), _PilotProgress(console, every_steps) as progress:
            affinity = measure_affinity(target.definition, every_steps, progress.update)
    except KeyboardInterrupt:
        say(console, "Stopped; nothing was written. The same command starts over.")
        return EXIT_INTERRUPTED
    write_affinity(affinity, path)
    heat_map = path.with_suffix(".png")
    save_figure(_figure(affinity), heat_map)
    _print(console, affinity)
    say(console, f"matrices and groupings: {path}")
    say(console, f"heat map: {heat_map}")
    name = next(iter(affinity.groupings))
    say(console, f"as a level of a study: grouping: [{{groups: {{file: {path}, name: {name}}}}}]")
    return 0


class _PilotProgress:
    """A progress bar on a terminal, occasional lines otherwise."""

    def __init__(self, console: Console, every_steps: int) -> None:
        self._console = console
        self._display = LiveDisplay(console)
        self._enough_steps = 2 * every_steps + 1  # a measured step takes longer than the others
        self._started = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        self._display.__enter__().show(["preparing the images"], "")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def update(self, step: int, steps: int) -> None:
        """Record a completed step."""
        now = time.monotonic()
        if step == 1:
            self._started = self._shown = now
        if now - self._shown < self._display.every_s:
            return
        self._shown = now
        text = f"step {step} of {steps}"
        if step > self._enough_steps:
            text += f", about {duration((now - self._started) / (step - 1) * (steps - step))} left"
        drawn = bar(self._console, step, steps, self._console.width - len(text) - 2)
        self._display.show([f"{drawn} {text}"], text)


def _figure(affinity: StudyAffinity) -> Figure:
    definition, measured = affinity.plan.definition, affinity.measured
    basis = Basis(
        "affinity, and cosine of the tasks' gradients",
        "training images",
        f"mean over the measured steps of one shared network, every {affinity.every_steps} of {measured.steps} steps",
        "no interval",
        str(definition.seeds.tune_seed),
        f"{measured.measured} measured steps of one training",
        "",
        "",
        "blue: the tasks help each other, or agree; red: they hinder each other, or conflict",
    )
    return affinity_figure(
        affinity.tasks,
        [
            TaskMatrix("affinity", measured.affinity, "a step on", "changes the loss of"),
            TaskMatrix("gradient cosine", measured.cosine, "gradient of", "gradient of"),
        ],
        Caption("Which tasks help each other", f"Study {definition.name} · {caption_line(basis)}"),
    )


def _print(console: Console, affinity: StudyAffinity) -> None:
    measured, tasks = affinity.measured, affinity.tasks
    say(console, f"one shared network, {measured.steps} steps, {measured.measured} of them measured")
    show = _matrix if len(tasks) <= MOST_PRINTED_TASKS else _extremes
    show(console, tasks, measured.affinity, "affinity of the row's task onto the column's")
    show(console, tasks, measured.cosine, "cosine of gradients")
    rows = [
        [name, "-" if math.isnan(chosen.score) else f"{chosen.score:+.3g}", _braces(chosen)]
        for name, chosen in affinity.groupings.items()
        if len(chosen.groups) <= _MOST_PRINTED_GROUPS
    ]
    headings = [Heading("grouping", numeric=False), Heading("score"), Heading("groups", numeric=False)]
    print_table(
        console,
        headings,
        rows,
        "groupings (score: mean over tasks of the affinity received from the rest of the group)",
    )
    if len(rows) < len(affinity.groupings):
        say(console, f"more than {_MOST_PRINTED_GROUPS} groups: in the file")


def _matrix(console: Console, tasks: Sequence[str], values: Floats, title: str) -> None:
    """Print a matrix in whole numbers of a suitable unit, with numbered columns to keep it narrow."""
    unit = unit_of(values)
    headings = [Heading("", numeric=False), *(Heading(str(number)) for number in range(1, len(tasks) + 1))]
    rows = [
        [
            f"{number} {_short(task)}",
            *("." if column == number else f"{value / unit:.0f}" for column, value in enumerate(row, start=1)),
        ]
        for number, (task, row) in enumerate(zip(tasks, values, strict=True), start=1)
    ]
    print_table(console, headings, rows, f"{title}, in units of {unit:g}")


def _extremes(console: Console, tasks: Sequence[str], values: Floats, title: str) -> None:
    """Print, for each column's task, the rows with the highest and the lowest value."""
    between = np.where(np.eye(len(tasks), dtype=bool), np.nan, values)
    headings = [Heading("task", numeric=False), Heading("highest from", numeric=False), Heading("")]
    headings += [Heading("lowest from", numeric=False), Heading("")]
    rows = []
    for number, task in enumerate(tasks):
        column = between[:, number]
        best, worst = int(np.nanargmax(column)), int(np.nanargmin(column))
        rows.append(
            [_short(task), _short(tasks[best]), f"{column[best]:.2g}", _short(tasks[worst]), f"{column[worst]:.2g}"]
        )
    print_table(console, headings, rows, title)


def _short(task: str) -> str:
    longest = 15
    return task if len(task) <= longest else f"{task[: longest - 1]}~"


def _braces(chosen: Chosen) -> str:
    return " ".join(f"{{{', '.join(group)}}}" for group in chosen.groups)
