"""Gallery sizes at which one arm becomes smaller than another, and at which the index outgrows the network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from results.analysis.storage.arms import StoredArm


@dataclass(frozen=True)
class BreakEven:
    """Up to ``images`` images ``below`` takes fewer bytes, from there on ``above``."""

    images: float
    below: StoredArm
    above: StoredArm


def index_outweighs_network(arm: StoredArm) -> float:
    """Return the number of images from which the index takes more bytes than the network.

    Example:
        >>> from results.analysis.storage.arms import Work
        >>> shared = StoredArm("shared", "fp32", "fp32", 4, 250, 0, 1000, 1, 128, Work(0, 0, 0))
        >>> index_outweighs_network(shared)
        7.8125
    """
    return arm.network_bytes / arm.index_bytes_per_image


def break_even(one: StoredArm, other: StoredArm) -> BreakEven | None:
    """Return where two arms take equally many bytes; None if one takes fewer at every size, or they always tie.

    With network bytes n and index bytes per image i, n1 + N i1 = n2 + N i2 at N = (n1 - n2) / (i2 - i1).
    """
    network, index = one.network_bytes - other.network_bytes, other.index_bytes_per_image - one.index_bytes_per_image
    if index == 0 or network == 0 or (network > 0) != (index > 0):
        return None
    smaller_network, smaller_index = (one, other) if network < 0 else (other, one)
    return BreakEven(network / index, smaller_network, smaller_index)


def break_evens(arms: Iterable[StoredArm]) -> tuple[BreakEven, ...]:
    """Return the break-even sizes of all pairs that have one, the smallest first."""
    found = (break_even(one, other) for one, other in itertools.combinations(arms, 2))
    return tuple(sorted((pair for pair in found if pair is not None), key=lambda pair: pair.images))
