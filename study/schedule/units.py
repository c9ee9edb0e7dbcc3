"""What is run: one planned trial, to its end or to a rung."""

from __future__ import annotations

from dataclasses import dataclass

from study.plan.plan import PlannedTrial


@dataclass(frozen=True)
class WorkUnit:
    """One trial to be trained until ``until_epoch`` epochs are done (a rung), or to its end when that is None."""

    trial: PlannedTrial
    until_epoch: int | None = None
