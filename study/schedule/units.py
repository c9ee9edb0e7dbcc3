"""The unit of work: a planned trial, or several trained as one model, to the end or to a rung; what it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from study.journal.state import TrialState
from study.plan.plan import PlannedTrial, StudyPlan

_GPU_PARTS = 10_000
"""Ray counts shares of a GPU in so many parts."""


@dataclass(frozen=True)
class WorkUnit:
    """One trial to train until ``until_epoch`` epochs are done (a rung), or to its end if that is None.

    ``alone``: on a whole GPU, which it has to itself; without GPUs, on a node, or while nothing else of the study runs.
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


class Reservations:
    """Knows what the units of a study reserve.

    A unit that must be alone on a machine reserves all CPUs of a node, so that it waits for that node and for no other.
    Where nodes are not known to be of this study alone, as on one's own machine, it reserves what others do, and the
    dispatcher hands out nothing beside it.

    Args:
        plan: of the study.
    """

    def __init__(self, plan: StudyPlan) -> None:
        self._plan = plan
        self._arm_ids = [arm.arm.arm_id for arm in plan.arms]
        self._node_cpus: float | None = None
        self._nodes_are_shared = False
        self.pack({})

    def pack(self, packing: Packing) -> None:
        """Take the shares of a GPU for the units handed out from now on; arms that are missing take the default."""
        self._shares = shares_of(self._plan, packing)

    def know_largest_node(self, cpus: float) -> None:
        """Let units that must be alone reserve the largest node from now on, with so many CPUs; 0 if there is none."""
        if cpus and not self._nodes_are_shared:
            self._node_cpus = cpus

    def share_nodes(self) -> None:
        """Take note that no node can be had whole, since somebody else holds a part of it."""
        self._node_cpus, self._nodes_are_shared = None, True

    @property
    def nodes_are_shared(self) -> bool:
        """Whether somebody else holds a part of the nodes."""
        return self._nodes_are_shared

    def of(self, unit: WorkUnit) -> Resources:
        """Return what a unit reserves on one node."""
        found = self._of_arm(unit.trial.arm.arm_id)
        if not unit.alone:
            return found
        if found.gpus:
            return replace(found, gpus=max(1.0, found.gpus))
        return replace(found, cpus=max(found.cpus, self._node_cpus or 0.0))

    @property
    def kinds(self) -> frozenset[Resources]:
        """What units of the arms reserve, each kind once; units that must be alone left out."""
        return frozenset(map(self._of_arm, self._arm_ids))

    def must_be_the_only_unit(self, unit: WorkUnit) -> bool:
        """Return whether a unit must run beside no other, since what it reserves keeps none off."""
        return unit.alone and self._node_cpus is None and not self.of(unit).gpus

    def _of_arm(self, arm_id: str) -> Resources:
        return Resources(self._plan.definition.resources.cpus, self._shares[arm_id].gpus)
