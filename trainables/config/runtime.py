"""The ``compute`` section: device, precision, determinism, memory layout, threads, and how a step is executed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainables.foundation.section import Section

Device = Literal["cpu", "cuda", "mps"]
"""A kind of device, chosen; ``auto`` is none yet."""

REPEATABLE_CUBLAS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""What cuBLAS needs for repeatable sums, in the environment of a process before its first matrix product on CUDA."""


class ComputeConfig(Section):
    """How a trial computes.

    Device, precision, determinism, layout, threads and ``fused`` affect the last bits of a result and are part of trial
    ids. ``data_on_device`` and ``graph`` change where the same numbers are computed, and how fast.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    deterministic: bool = True
    channels_last: bool = True
    threads: int = Field(1, ge=1)
    data_on_device: Literal["auto", "always", "never"] = "auto"
    graph: Literal["auto", "never"] = "auto"
    fused: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _precision_exists(self) -> ComputeConfig:
        if self.device != "auto":
            check_precision(self.precision, self.device)
        return self


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device does not have: TF32 is a format of NVIDIA's tensor cores.

    Raises:
        ValueError: the message starts with the key.
    """
    if precision == "tf32" and device != "cuda":
        raise ValueError(
            f"compute.precision: tf32 exists on the device cuda only, and this study's device is {device};"
            " set fp32 or bf16, or compute.device: cuda to plan here for a machine with such a GPU"
        )
