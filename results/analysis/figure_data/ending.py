"""Whether training was long enough: by how much the curve of every arm still rose at its end."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

FLAT = 0.005
"""A rise of a metric between 0 and 1 that counts as none: half a point."""

END = 0.25
"""The part of the epochs that is the end of training, at the least."""


@dataclass(frozen=True)
class Ending:
    """The end of an arm's curve.

    Attributes:
        arm: Its name.
        since: The last measured epoch before the last ``END`` of the epochs; None if there is none.
        until: The last epoch.
        rise: Of the mean over seeds between the two; None without ``since``.
    """

    arm: str
    since: int | None
    until: int
    rise: float | None

    @property
    def flat(self) -> bool:
        """Whether the curve rises no more; False where nothing shows it."""
        return self.rise is not None and self.rise <= FLAT


def endings(curves: pd.DataFrame) -> tuple[Ending, ...]:
    """Return the end of every curve, in the order of the arms.

    Args:
        curves: As ``arm_curves`` returns it, of a metric that is better the higher it is.

    Example:
        >>> seen = {"arm_id": "a", "arm": "late", "epoch": [2, 4, 6], "mean": [0.6, 0.7, 0.72]}
        >>> [(end.since, end.until, round(end.rise, 3), end.flat) for end in endings(pd.DataFrame(seen))]
        [(4, 6, 0.02, False)]
    """
    found = []
    for _, own in curves.groupby("arm_id", sort=False):
        last = own.iloc[-1]
        before = own[own["epoch"] <= (1 - END) * last["epoch"]]
        since = None if before.empty else int(before["epoch"].iloc[-1])
        rise = None if before.empty else float(last["mean"] - before["mean"].iloc[-1])
        found.append(Ending(str(last["arm"]), since, int(last["epoch"]), rise))
    return tuple(found)
