"""The unit of work: a planned trial, or several trained as one model, to the end or to a rung; what it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from study.journal.state import TrialState
from study.plan.plan import PlannedTrial, StudyPlan

_GPU_PARTS = 10_000
"""Ray counts shares of a GPU in so many parts."""


@dataclass(frozen=True)
class WorkUnit:
    """One trial to train until ``until_epoch`` epochs are done (a rung), or to its end if that is None.

    ``alone``: on a whole GPU, which it has to itself; without GPUs, while nothing else of the study runs.
    ``slots``: of a fused unit, whose trials are trained as one
    model; None where a slot has no trial now, and ``trial`` is the first of them. Empty for a single trial.
    """

    trial: PlannedTrial
    until_epoch: int | None = None
    alone: bool = False
    slots: tuple[PlannedTrial | None, ...] = ()

    @property
    def trials(self) -> tuple[PlannedTrial, ...]:
        """The trials of the unit."""
        return tuple(trial for trial in self.slots if trial is not None) or (self.trial,)

    @classmethod
    def of(cls, trial: PlannedTrial, states: Mapping[str, TrialState], until_epoch: int | None = None) -> WorkUnit:
        """Return the unit of a trial in its present state: alone, if it has run out of memory before."""
        state = states.get(trial.trial_id)
        return cls(trial, until_epoch, alone=state is not None and state.history.must_be_alone)


@dataclass(frozen=True)
class Share:
    """What a trial takes of a GPU. It decides how many trials run at once, and never a result.

    Attributes:
        gpus: GPUs of one trial: a part of one, or whole ones; 0 on a study's device ``cpu``.
        at_once: trials that share one GPU; 1 where a trial takes a whole one, or none.
    """

    gpus: float
    at_once: int = 1

    @classmethod
    def of(cls, gpus: float) -> Share:
        """Return the share of trials that take so much of a GPU each."""
        return cls(gpus, max(1, math.floor(1 / gpus + 1e-9)) if gpus else 1)

    @classmethod
    def packed(cls, at_once: int) -> Share:
        """Return the largest share that fits on one GPU so many times; Ray would round a sixth up, and fit five."""
        return cls(math.floor(_GPU_PARTS / at_once) / _GPU_PARTS, at_once)


Packing = Mapping[str, Share]
"""Shares by arm id, from measurements; may lack arms."""


@dataclass(frozen=True)
class Resources:
    """What a unit reserves on one node while it runs."""

    cpus: float
    gpus: float


def shares_of(plan: StudyPlan, packing: Packing) -> dict[str, Share]:
    """Return the share of every arm, by arm id: the number in the study file, else that of its packing.

    Without either, a trial takes a whole GPU on the device ``cuda``, and none elsewhere. So does a fused unit, of which
    a packing says nothing, since single trials were measured.
    """
    asked = Share.of(plan.gpus)
    packed = packing if asked.gpus and plan.definition.resources.gpus == "auto" else {}
    return {
        arm.arm.arm_id: asked if arm.config.compute.fused > 1 else packed.get(arm.arm.arm_id, asked)
        for arm in plan.arms
    }
