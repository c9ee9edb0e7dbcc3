"""The mirror of a benchmark's run in MLflow, as ``modstudy run`` has it, and what its process costs."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from study.definition.tracking_address import store_address
from study.layout import RunFolder
from study.tracking.background.process import MirrorProcess

_PATIENCE_S = 3600.0


@dataclass(frozen=True)
class MirrorCost:
    """Seconds that the mirror's process computed, and its memory at its end in MB."""

    processor_s: float = 0.0
    memory_mb: float = 0.0


class MirroredRun:
    """Mirrors a run into SQLite beside it while the block runs, and is up to date when the block is left.

    Args:
        folder: of the run.
        experiment: its name in MLflow.

    Attributes:
        cost: of the mirror; known when the block is left.
    """

    def __init__(self, folder: RunFolder, experiment: str) -> None:
        self._mirror = MirrorProcess(store_address(folder, None), experiment, folder, patience_s=_PATIENCE_S)
        self.cost = MirrorCost()

    def __enter__(self) -> Self:
        self._mirror.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        complete = error is None and self._mirror.catch_up()
        memory = psutil.Process(self._mirror.pid).memory_info().rss / 2**20 if complete else 0.0
        before = _seconds_of_ended_children()
        self._mirror.stop()
        self.cost = MirrorCost(_seconds_of_ended_children() - before, memory)  # no other process ends meanwhile
        if error is None and not complete:
            raise SystemExit("the mirror did not get up to date")


def _seconds_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
