"""A block of lines at the bottom of a terminal that is redrawn repeatedly and leaves nothing behind.

The cursor rests on an empty line above the block, not below it. When a window becomes narrower, terminals rewrap long
lines and keep the cursor with its text, so the whole block stays below the cursor however it is wrapped, and erasing
downward from the cursor leaves no debris. Other output written meanwhile starts on the empty line.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from results.plain_text import visible
from study.terminal.display import say, wrapped

REFRESH_S = 1.0
LINE_EVERY_S = 5.0
LINES_UNTIL_DOUBLED = 120
"""The longer a command takes, the rarer its lines: at most so many until it has taken twice as long."""

_ERASE_LINE, _NEXT, _ERASE_BELOW, _UP = "\r\x1b[K", "\r\n", "\x1b[J", "\x1b[{}A\r"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"
_MOST_BAR = 24


def can_redraw(console: Console) -> bool:
    """Return whether the output is a terminal with a movable cursor."""
    return console.is_terminal and not console.is_dumb_terminal


class LiveBlock:
    """Shows lines until the context exits; text written to standard output or error meanwhile stays above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._out, self._err = sys.stdout, sys.stderr
        self._lines: Sequence[str] = ()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._out, self._err = sys.stdout, sys.stderr
        self._out.write(_HIDE_CURSOR)
        sys.stdout = _Aside(self, self._out)
        if self._err.isatty():
            sys.stderr = _Aside(self, self._err)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            sys.stdout, sys.stderr = self._out, self._err
            self._erase()
            self._out.write(_SHOW_CURSOR)
            self._out.flush()

    def show(self, lines: Sequence[str]) -> None:
        """Replace the lines."""
        with self._lock:
            self._lines = lines
            self._draw()

    def write_above(self, text: str, stream: TextIO) -> None:
        """Write whole lines where the block started, and redraw the block below them."""
        with self._lock:
            self._erase()
            self._out.flush()
            stream.write(text)
            stream.flush()
            self._draw()

    def _draw(self) -> None:
        width, height = self._console.size
        rows = [row for line in self._lines for row in fold(line, width - 1)][: max(0, height - 2)]
        self._erase()
        if rows:
            below = "".join(f"{_NEXT}{row}" for row in rows)
            # If the window has just become narrower, the terminal truncates the rows instead of wrapping them.
            self._out.write(f"{_WRAP_OFF}{below}{_WRAP_ON}{_UP.format(len(rows))}")
        self._out.flush()

    def _erase(self) -> None:
        """Erase from the empty line down, in two steps: tmux treats erasing a whole screen as scrolling it away."""
        self._out.write(f"{_ERASE_LINE}{_NEXT}{_ERASE_BELOW}{_UP.format(1)}")


class LiveDisplay:
    """Shows the progress of a command: redrawn lines on a terminal, single lines elsewhere.

    Args:
        console: the console to print to.
        line: function that shows one line in place of the previous one, in a notebook; None elsewhere.

    Attributes:
        redrawn: whether lines are redrawn, that is, whether the console is a terminal and ``line`` is None.
    """

    def __init__(self, console: Console, line: Callable[[str], None] | None = None) -> None:
        self._block = LiveBlock(console) if line is None and can_redraw(console) else None
        self._say = line or partial(say, console)
        self.redrawn = self._block is not None
        self._one_place = self.redrawn or line is not None
        self._begun = time.monotonic()

    @property
    def every_s(self) -> float:
        """Seconds to wait until the next call of ``show``."""
        taken = time.monotonic() - self._begun
        return REFRESH_S if self._one_place else max(LINE_EVERY_S, taken / LINES_UNTIL_DOUBLED)

    def __enter__(self) -> Self:
        if self._block is not None:
            self._block.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._block is not None:
            self._block.__exit__(kind, error, trace)

    def show(self, lines: Sequence[str], line: str) -> None:
        """Show ``lines`` if lines are redrawn, else ``line`` unless it is empty."""
        if self._block is not None:
            self._block.show(lines)
        elif line:
            self._say(line)


class _Aside(io.TextIOBase):
    """Replaces a terminal stream and forwards complete lines, to be written above the block."""

    def __init__(self, block: LiveBlock, stream: TextIO) -> None:
        self._block = block
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        whole, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            self._block.write_above(whole + end, self._stream)
        return len(text)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding


def fold(line: str, width: int) -> list[str]:
    """Return a line wrapped between words into rows of at most ``width`` columns; rows with wider words are cut."""
    rows = wrapped(visible(line), width, indent="  ")
    return [row if cell_len(row) <= width else f"{set_cell_size(row, width - 1)}…" for row in rows]


def bar(console: Console, done: float, total: float, room: int) -> str:
    """Return a bar of at most ``room`` columns, filled to ``done / total``; empty if there is too little room."""
    full, empty = ("━", "─") if console.encoding.lower().startswith("utf") else ("#", "-")
    width = min(room, _MOST_BAR)
    if width < 3 or total <= 0:
        return ""
    filled = int(width * min(1.0, done / total))
    return full * filled + empty * (width - filled)
