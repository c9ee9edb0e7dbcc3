"""``modstudy index``: embeds images into an index."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from study.retrieval.indexing import IndexRequest, index_images
from study.terminal.display import complain, open_console, say

if TYPE_CHECKING:
    from trainables.index.adding.writing import Added

_EVERY = 5.0
"""Seconds between lines of progress."""


def show_indexing(request: IndexRequest) -> None:
    """Index, print progress to standard error, and what was done.

    Raises:
        UserError: a folder, an option or an image breaks a rule.
    """
    started, last = time.monotonic(), [time.monotonic()]

    def show(done: Added) -> None:
        now = time.monotonic()
        if done.added and now - last[0] >= _EVERY:
            last[0] = now
            rate = (done.added + len(done.skipped)) / (now - started)
            complain(f"indexed {done.added:,} images, {rate:.0f} a second; Ctrl-C stops, the same command goes on")

    console = open_console()
    for line in index_images(request, show).lines():
        say(console, line)
