"""How a packing is told to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from study.packing.measurement import Packing
from study.packing.record import ProbedArm


def described(packing: Packing) -> str:
    """Return what was chosen and what it brings, as half a sentence."""
    rate = f"{packing.images_per_second:,.0f} images/s"
    if packing.processes == 1:
        return f"1 trial at a time, {rate}"
    service = " through the Multi-Process Service" if packing.mps else ""
    gain = f", {packing.speedup:.1f} x one trial alone" if packing.speedup is not None else ""
    return f"{packing.processes} trials at once{service}, {rate}{gain}"


def shared_lines(shared: Iterable[tuple[ProbedArm, Packing]]) -> Iterator[str]:
    """Yield a line per number of trials that share a type of accelerator: the arms, and what it brings."""
    groups: dict[tuple[str, int, bool], list[tuple[str, float | None]]] = {}
    for probed, packing in shared:
        key = probed.accelerator, packing.processes, packing.mps
        groups.setdefault(key, []).append((probed.arm, packing.speedup))
    for (accelerator, processes, mps), arms in groups.items():
        service = " through the Multi-Process Service" if mps else ""
        trials = "1 trial at a time" if processes == 1 else f"{processes} trials at once"
        gains = sorted(speedup for _, speedup in arms if speedup is not None)
        gain = f", {gains[0]:.1f} to {gains[-1]:.1f} x one trial alone" if gains and processes > 1 else ""
        yield f"on {accelerator}, {trials}{service}{gain}: {', '.join(name for name, _ in arms)}"
