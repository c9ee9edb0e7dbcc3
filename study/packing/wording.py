"""How a packing is told to people."""

from __future__ import annotations

from study.packing.measurement import Packing


def described(packing: Packing) -> str:
    """Return what was chosen and what it brings, as half a sentence."""
    rate = f"{packing.images_per_second:,.0f} images/s"
    if packing.processes == 1:
        return f"1 trial at a time, {rate}"
    service = " through the Multi-Process Service" if packing.mps else ""
    gain = f", {packing.speedup:.1f} x one trial alone" if packing.speedup is not None else ""
    return f"{packing.processes} trials at once{service}, {rate}{gain}"
