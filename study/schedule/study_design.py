"""The design of a whole study: the designs of its arms, and which arms an event in one of them concerns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from study.plan.plan import StudyPlan
from study.schedule.design import ArmDesign, ArmProgress
from study.schedule.pruning.cheaper_arms import CheaperArms
from study.schedule.pruning.halving import States
from study.schedule.rounds import Rounds


class StudyDesign(Protocol):
    """Determines what to run in every arm."""

    @property
    def to_propose(self) -> int:
        """Number of trials whose arms are not known yet."""

    def progress(self, states: States) -> dict[str, ArmProgress]:
        """Return the state of every arm by arm id, in plan order."""

    def changed(self, arm_id: str, states: States) -> Mapping[str, ArmProgress]:
        """Return the new state of an arm after an event, and of the arms whose state may have changed with it."""


def study_design(plan: StudyPlan, source: Rounds) -> StudyDesign:
    """Return the design of a study, in its mode."""
    if plan.definition.search.mode == "explore":
        from study.schedule.explore.design import ExploreDesign  # loads pandas, which a status does without

        return ExploreDesign(plan, source)
    return ArmsInRounds(plan, source)


class ArmsInRounds:
    """The mode ``design``: every arm has its own rounds.

    Args:
        plan: the study.
        source: the source of the values of its rounds.
    """

    def __init__(self, plan: StudyPlan, source: Rounds) -> None:
        halving = plan.definition.search.halving
        self._cheaper = CheaperArms.of(plan) if halving is not None and halving.stop_beaten else None
        self._arms = {arm.arm.arm_id: ArmDesign(plan, arm, source, self._cheaper) for arm in plan.arms}

    @property
    def to_propose(self) -> int:
        """None: all trials are those of an arm."""
        return 0

    def progress(self, states: States) -> dict[str, ArmProgress]:
        """Return the state of every arm by arm id, in plan order."""
        found = {arm_id: self._arms[arm_id].progress(states) for arm_id in self._order}
        return {arm_id: found[arm_id] for arm_id in self._arms}

    def changed(self, arm_id: str, states: States) -> Mapping[str, ArmProgress]:
        """Return the new state of an arm after an event, and of the arms whose state may have changed with it.

        Args:
            arm_id: the arm.
            states: of at least the trials of all arms returned.
        """
        over = self._rounds_over(arm_id)
        found = {arm_id: self._arms[arm_id].progress(states)}
        if self._cheaper is not None and self._rounds_over(arm_id) > over:
            found |= {later: self._arms[later].progress(states) for later in self._cheaper.after(arm_id)}
        return found

    @property
    def _order(self) -> tuple[str, ...]:
        """Arms in an order in which none depends on a later one."""
        return tuple(self._arms) if self._cheaper is None else self._cheaper.order

    def _rounds_over(self, arm_id: str) -> int:
        return 0 if self._cheaper is None else self._cheaper.rounds_over(arm_id)
