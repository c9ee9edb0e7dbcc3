"""The section ``compute``: device, precision, memory layout and threads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.foundation.section import Section


class ComputeConfig(Section):
    """All of these change the last bits of a result, so all of them are part of a trial's identity."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = True
    threads: int = Field(1, ge=1)
