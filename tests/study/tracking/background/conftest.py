"""What the mirror's process does, in a thread of the test, with the lines that it says."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from study.layout import RunFolder
from study.tracking.background.passes import Passes
from study.tracking.tracker import Tracker

PATIENCE_S = 120  # on a machine that is busy with other things


@dataclass
class Working:
    """Passes that are being made, and the lines ``said``."""

    passes: Passes
    said: list[str] = field(default_factory=list)

    def catch_up(self) -> bool:
        answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.passes.catch_up(answer.put)
        return answer.get(timeout=PATIENCE_S)


@pytest.fixture
def working() -> Iterator[Callable[..., Working]]:
    """Return a way to make passes over a folder until the test ends."""
    threads = []

    def start(tracker: Tracker, folder: RunFolder, every_s: float = 0.01) -> Working:
        said: list[str] = []
        work = Working(Passes(lambda: tracker, folder, every_s, said.append), said)
        threads.append((work, threading.Thread(target=work.passes.run)))
        threads[-1][1].start()
        return work

    yield start
    for work, thread in threads:
        work.passes.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
