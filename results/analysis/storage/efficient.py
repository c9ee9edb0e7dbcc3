"""The efficient set: arms within the user's limits that no other such arm beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results.analysis.storage.arms import StoredArm

Respects = tuple[float, float, float]


@dataclass(frozen=True)
class Limits:
    """The most that network and index together may take, and the most to embed a gallery image for all tasks.

    None sets no limit.
    """

    bytes: float | None = None
    multiply_adds: float | None = None

    def exceeded_by(self, arm: StoredArm, images: float) -> str | None:
        """Return ``cost > limit`` for the first limit that an arm exceeds, else None."""
        work = arm.multiply_adds.image
        costs = ((arm.total_bytes(images), self.bytes, "bytes"), (work, self.multiply_adds, "multiply-adds"))
        over = ((cost, limit, unit) for cost, limit, unit in costs if limit is not None and cost > limit)
        return next((f"{cost:,.0f} > {limit:,.0f} {unit}" for cost, limit, unit in over), None)


def efficient_set(arms: Sequence[StoredArm], images: float, limits: Limits) -> tuple[StoredArm, ...]:
    """Return the arms within the limits of which no other is at least as good in every respect and better in one.

    The respects are mean accuracy, total bytes, and multiply-adds per gallery image. Arms without accuracy are left
    out. The arms come in the order of their bytes.
    """
    known = [arm for arm in arms if arm.accuracy is not None and limits.exceeded_by(arm, images) is None]
    respects = [_respects(arm, images) for arm in known]
    kept = [
        arm for arm, ours in zip(known, respects, strict=True) if not any(_beats(rival, ours) for rival in respects)
    ]
    return tuple(sorted(kept, key=lambda arm: (arm.total_bytes(images), arm.multiply_adds.image)))


def _beats(theirs: Respects, ours: Respects) -> bool:
    return theirs != ours and theirs[0] <= ours[0] and theirs[1] <= ours[1] and theirs[2] <= ours[2]


def _respects(arm: StoredArm, images: float) -> Respects:
    """Return bytes, multiply-adds and minus the accuracy: the lower the better."""
    accuracy = arm.accuracy.mean if arm.accuracy else float("nan")
    return arm.total_bytes(images), arm.multiply_adds.image, -accuracy
