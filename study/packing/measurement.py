"""What a probe measures of some processes that train side by side on one accelerator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["measured", "out_of_memory", "failed"]


@dataclass(frozen=True)
class Measurement:
    """One window in which ``processes`` trials of an arm took steps together.

    Attributes:
        processes: how many.
        mps: whether through NVIDIA's Multi-Process Service.
        outcome: ``measured``; otherwise they could not all train, and the figures are 0.
        steps_per_second: of all processes together.
        images_per_second: of all processes together.
        peak_bytes: reserved by the process that reserved most; on a CPU its resident memory.
        used_bytes: in use on the device in the meantime, contexts and other people's processes included; 0 on a CPU.
        message: why it failed.
    """

    processes: int
    mps: bool
    outcome: Outcome
    steps_per_second: float = 0.0
    images_per_second: float = 0.0
    peak_bytes: int = 0
    used_bytes: int = 0
    message: str = ""

    @property
    def bytes_per_process(self) -> int:
        """Device memory that each process needs, its context included."""
        return max(self.peak_bytes, math.ceil(self.used_bytes / self.processes))


@dataclass(frozen=True)
class Packing:
    """How the trials of an arm share one accelerator.

    Attributes:
        processes: trials at once.
        mps: whether through NVIDIA's Multi-Process Service.
        steps_per_second: of all of them together.
        images_per_second: of all of them together.
        speedup: over one trial alone without the service; None if that was not measured.
        bytes_per_process: device memory that each needs.
    """

    processes: int
    mps: bool
    steps_per_second: float
    images_per_second: float
    speedup: float | None
    bytes_per_process: int
