"""A terminal to look at: commands run in a pseudo-terminal, and pyte shows what a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


class Terminal:
    """A command in a terminal; ``raw`` is all it wrote, ``shown`` what stands on the screen and above it."""

    def __init__(self, command: list[str], size: tuple[int, int], folder: Path, **environment: str) -> None:
        self._screen = pyte.HistoryScreen(*size, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._end, other = pty.openpty()
        self.raw = b""
        _set_size(self._end, size)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=folder,
            env={**inherited, "TERM": "xterm-256color", "PYTHONPATH": str(REPOSITORY), **environment},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)

    def read(self, seconds: float) -> None:
        """Take in what is written during so many seconds, or until the command ends."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([self._end], [], [], left)[0]:
            try:
                data = os.read(self._end, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.raw += data
            self._stream.feed(data)

    def wait(self, seconds: float = 60.0) -> int:
        """Read until the command ends; return its exit status."""
        self.read(seconds)
        return self.process.wait(10)

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Read until the screen shows the text."""
        until = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < until, f"{text!r} was not shown:\n{self.shown}"
            assert self.process.poll() is None or text in self.shown, self.shown
            self.read(0.1)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size, as a window manager does."""
        _set_size(self._end, (columns, lines))
        self._screen.resize(lines, columns)

    @property
    def lines(self) -> list[str]:
        """All lines from the first, those that have left the screen at the top included."""
        width = self._screen.columns
        above = ["".join(row[column].data for column in range(width)) for row in self._screen.history.top]
        return [line.rstrip() for line in (*above, *self._screen.display)]

    @property
    def shown(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines).rstrip()

    def close(self) -> None:
        """End the command if it still runs, and let go of the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        with contextlib.suppress(OSError):
            os.close(self._end)


def _set_size(descriptor: int, size: tuple[int, int]) -> None:
    columns, lines = size
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """Open terminals that are closed when the test ends."""
    opened: list[Terminal] = []

    def start(*command: object, size: tuple[int, int] = (80, 24), **environment: str) -> Terminal:
        opened.append(Terminal([sys.executable, *map(str, command)], size, tmp_path, **environment))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()
