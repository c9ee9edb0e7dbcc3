"""The unit of work: one planned trial, trained to its end or to a rung."""

from __future__ import annotations

from dataclasses import dataclass

from study.plan.plan import PlannedTrial


@dataclass(frozen=True)
class WorkUnit:
    """One trial to train until ``until_epoch`` epochs are done (a rung), or to its end if that is None."""

    trial: PlannedTrial
    until_epoch: int | None = None
