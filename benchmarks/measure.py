"""How the benchmarks time two ways of doing a thing: in turn, several times, reported as median and range of the ratio.

Machines are shared and noisy. Running A B A B ... and dividing pair by pair cancels what drifts slowly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """Seconds of the named peer divided by seconds of ours, pair by pair; above 1 means ours is quicker."""

    ours_s: tuple[float, ...]
    peer_s: tuple[float, ...]

    @property
    def pairs(self) -> tuple[float, ...]:
        """One ratio a repetition."""
        return tuple(peer / ours for ours, peer in zip(self.ours_s, self.peer_s, strict=True))

    def __str__(self) -> str:
        """Median [lowest, highest] ratio, and the median seconds of both sides."""
        return (
            f"{median(self.pairs):.2f} x [{min(self.pairs):.2f}, {max(self.pairs):.2f}] over {len(self.pairs)} pairs "
            f"(ours {median(self.ours_s):.4g} s, peer {median(self.peer_s):.4g} s)"
        )


def seconds(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of one call: wall time, or with ``time.process_time`` those this process computed."""
    start = clock()
    action()
    return clock() - start


def interleave(
    ours: Callable[[], object],
    peer: Callable[[], object],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Run both once unmeasured, then ``repeats`` times in turn."""
    ours()
    peer()
    pairs = [(seconds(ours, clock), seconds(peer, clock)) for _ in range(repeats)]
    return Ratio(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
