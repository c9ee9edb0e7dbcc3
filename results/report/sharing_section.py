"""The report's section on trials that shared GPUs; only studies whose run was probed have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.report.markdown import table
from results.report.wording import ABSENT, count, size


@dataclass(frozen=True)
class SharedGpu:
    """How the trials of an arm share one type of GPU, as a probe measured it.

    Attributes:
        arm: name of the arm.
        gpu: type of the GPU.
        trials: at once on one of them.
        mps: whether through NVIDIA's Multi-Process Service.
        images_per_second: of all of them together.
        speedup: over one trial alone; None if that was not measured.
        bytes_per_trial: device memory of each.
    """

    arm: str
    gpu: str
    trials: int
    mps: bool
    images_per_second: float
    speedup: float | None
    bytes_per_trial: int


_HEADER = ["arm", "GPU", "trials at once", "Multi-Process Service", "images per second", "against one", "memory each"]


def sharing_section(shared: Sequence[SharedGpu]) -> str:
    """Trials on one GPU by arm, chosen by a probe of training steps. It changes when trials run, and no result."""
    rows = [
        [
            row.arm,
            row.gpu,
            count(row.trials),
            "yes" if row.mps else "no",
            count(row.images_per_second),
            ABSENT if row.speedup is None else f"{row.speedup:.1f} x",
            size(row.bytes_per_trial),
        ]
        for row in shared
    ]
    return (
        "Each number of trials has the best throughput that a probe of training steps measured within the GPU's memory."
        " It affects when trials run, not their results.\n\n" + table(_HEADER, rows)
    )
