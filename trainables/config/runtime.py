"""The ``compute`` section: device, precision, memory layout and threads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.foundation.section import Section


class ComputeConfig(Section):
    """Device, precision, memory layout and threads; all affect the last bits of a result and are part of trial ids."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = Field(1, ge=1)
