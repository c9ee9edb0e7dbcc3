"""Lines, tables and durations for a terminal. ``results.report.wording`` formats the numbers in results.

Text is printed literally: no markup, no emoji codes, and control characters as visible escapes. Lines wrap between
words; a word wider than the terminal, such as a path, is left whole so that it can be copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from results.plain_text import visible

FILE_WIDTH = 160
"""Columns of output to a file or a pipe, whose reading width is unknown."""

_JOINT = "\N{NO-BREAK SPACE}"

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def open_console() -> Console:
    """Return a console on standard output that prints text literally."""
    console = Console(markup=False, highlight=False, emoji=False)
    return console if console.is_terminal else Console(width=FILE_WIDTH, markup=False, highlight=False, emoji=False)


def say(console: Console, line: str, style: str = "") -> None:
    """Print a line literally; wrap it between words on a terminal, leave it whole elsewhere."""
    text = visible(line)
    for row in wrapped(text, console.width) if console.is_terminal else [text.replace(_JOINT, " ")]:
        console.print(Text(row, style), soft_wrap=True)


def complain(line: str) -> None:
    """Print a line to standard error."""
    say(Console(stderr=True, markup=False, highlight=False, emoji=False), line)


def unbroken(command: str) -> str:
    """Return a command in a form that ``say`` never wraps, so that it can be copied."""
    return command.replace(" ", _JOINT)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Return text wrapped between words into rows of at most ``width`` columns; wider words are left whole.

    Args:
        text: one line.
        width: maximum columns per row.
        indent: prefix of every row but the first.
    """
    first, *words = re.findall(r"[ ]*[^ ]+", text) or [""]
    rows = [first]
    for word in words:
        if cell_len(rows[-1] + word) <= width:
            rows[-1] += word
        else:
            rows.append(indent + word.lstrip(" "))
    return [row.replace(_JOINT, " ") for row in rows]


def scaled(value: float) -> str:
    """Return a number with three significant digits and an SI prefix: 2.6 M, 18.4 M, 1.2 G."""
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
    """The heading of a column.

    Attributes:
        text: the text of the heading.
        numeric: whether the column holds numbers, which are right-aligned and never wrapped.
        spare: 0 for a column that is always shown; of the others, the highest is dropped first if space is short.
    """

    text: str
    numeric: bool = True
    spare: int = 0


def print_table(
    console: Console, headings: Sequence[Heading], rows: Iterable[Sequence[str]], title: str | None = None
) -> frozenset[str]:
    """Print a table that fits the terminal without breaking words, and return the headings shown.

    If space is short, headings are wrapped first, then columns are dropped, then cell texts are wrapped. If the table
    still does not fit, each row is printed as a list.
    """
    cells = [[visible(cell) for cell in row] for row in rows]
    columns = [_Column(heading, [row[index] for row in cells]) for index, heading in enumerate(headings)]
    if title is not None:
        say(console, title, "bold")
    kept, made = _fitted(console, columns)
    if made is not None:
        console.print(made)
    else:
        _print_records(console, kept)
    return frozenset(column.heading.text for column in kept)


@dataclass(frozen=True)
class _Column:
    """A column of literal texts, with its possible widths in terminal columns."""

    heading: Heading
    cells: Sequence[str]

    @property
    def whole(self) -> int:
        """Width with nothing wrapped."""
        return max(cell_len(self.heading.text), self.tight)

    @property
    def tight(self) -> int:
        """Width with the heading wrapped."""
        return max([_longest_word(self.heading.text), *map(cell_len, self.cells)])

    @property
    def least(self) -> int:
        """Width with the heading and, unless numeric, the cell texts wrapped."""
        return self.tight if self.heading.numeric else max(map(_longest_word, (self.heading.text, *self.cells)))


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _fitted(console: Console, columns: list[_Column]) -> tuple[list[_Column], Table | None]:
    """Return the columns to show, and the table if it fits."""
    kept = list(columns)
    while True:
        for widths in ([column.whole for column in kept], [column.tight for column in kept]):
            made = _table(kept, widths)
            if _width(console, made) <= console.width:
                return kept, made
        spare = max(kept, key=lambda column: column.heading.spare)
        if not spare.heading.spare:
            break
        kept.remove(spare)
    widths = [column.least for column in kept]
    room = console.width - _width(console, _table(kept, widths))
    if room < 0:
        return kept, None
    for index, column in enumerate(kept):
        more = min(room, column.tight - widths[index])
        widths[index] += more
        room -= more
    return kept, _table(kept, widths)


def _table(columns: Sequence[_Column], widths: Sequence[int]) -> Table:
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.heading.numeric else "left"
        made.add_column(_broken(column.heading.text, width), justify=justify, width=width)
    for row in zip(*(column.cells for column in columns), strict=True):
        made.add_row(*map(_broken, row, widths))
    return made


def _broken(text: str, width: int) -> Text:
    """Return a cell wrapped between words; rich would also break words that contain double-width characters."""
    return Text("\n".join(wrapped(text, width)))


def _width(console: Console, made: Table) -> int:
    """Return the width of the table in terminal columns if nothing in it is folded."""
    return Measurement.get(console, console.options.update_width(10_000), made).maximum


def _print_records(console: Console, columns: Sequence[_Column]) -> None:
    first, *others = columns
    for row, name in enumerate(first.cells):
        say(console, name, "bold")
        for column in others:
            if column.cells[row]:
                say(console, f"  {column.heading.text}: {column.cells[row]}")
