"""Tables and durations as people read them on a terminal. Numbers of results are worded in ``results.wording``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

_FILE_WIDTH = 160
"""Columns of output that goes to a file or a pipe, where nobody knows how wide it will be read."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def open_console() -> Console:
    """Return a console on standard output."""
    console = Console()
    return console if console.is_terminal else Console(width=_FILE_WIDTH)


def say(console: Console, line: str) -> None:
    """Print a line as it is; the terminal wraps it."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def scaled(value: float) -> str:
    """Return a large number with three digits and a decimal prefix: 2.6 M, 18.4 M, 1.2 G."""
    for prefix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


@dataclass(frozen=True)
class Heading:
    """The heading of a column; numbers go to the right."""

    text: str
    numeric: bool = True


def table(headings: Sequence[Heading], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """Return a plain table whose cells are taken literally."""
    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False, title_style="bold")
    for index, heading in enumerate(headings):  # names in the first column are wanted whole, to be copied
        justify: JustifyMethod = "right" if heading.numeric else "left"
        made.add_column(heading.text, justify=justify, overflow="fold", no_wrap=index == 0)
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))
    return made
