"""Pruning over arms: a trial stops at a rung if a cheaper arm has already reached more than it may still reach.

What a trial may still reach, its *optimistic end value*, is its objective at the rung plus the largest gain from that
rung to the last epoch of any trial trained to the end, in the same arm or a cheaper one. It is an extrapolation by the
steepest curve known, in place of a fitted family of curves (Domhan et al., IJCAI 2015), whose early fits err on short
trainings. Trials that halving ended have no gain; one that would have risen more steeply than all others is stopped
wrongly.

A trial of round r is compared with rounds before r, of arms before its own in order of cost. All of these must
be over, so the decision is the same whatever runs when; in return, nothing of an arm's first round is ever stopped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from study.plan.plan import PlannedArm, StudyPlan


@dataclass(frozen=True)
class Ended:
    """A trial trained to the end: its objectives at rungs, by epoch, and the last one."""

    rungs: Mapping[int, float]
    objective: float


@dataclass(frozen=True)
class Reached:
    """What trials trained to the end have reached.

    Attributes:
        best: the highest last objective; minus infinity without any.
        gains: the largest gain from a rung to the end, by epoch of the rung; never negative.
    """

    best: float = -math.inf
    gains: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def by(cls, trials: Iterable[Ended]) -> Reached:
        """Return what these trials have reached."""
        best, gains = -math.inf, dict[int, float]()
        for trial in trials:
            best = max(best, trial.objective)
            for rung, objective in trial.rungs.items():
                if math.isfinite(objective):
                    gains[rung] = max(0.0, trial.objective - objective, gains.get(rung, 0.0))
        return cls(best, gains)

    def joined(self, other: Reached) -> Reached:
        """Return what both have reached together."""
        rungs = self.gains.keys() | other.gains.keys()
        gains = {rung: max(self.gains.get(rung, 0.0), other.gains.get(rung, 0.0)) for rung in rungs}
        return Reached(max(self.best, other.best), gains)


@dataclass(frozen=True)
class Bar:
    """What a trial must be able to reach: the best of cheaper arms, and the gains that are possible from each rung."""

    best: float = -math.inf
    gains: Mapping[int, float] = field(default_factory=dict)

    def beaten(self, objectives: Mapping[str, float], rung: int) -> set[str]:
        """Return the trials that a cheaper arm has beaten; none where no gain from the rung is known.

        Args:
            objectives: at the rung, by trial.
            rung: its epoch.
        """
        if rung not in self.gains:
            return set()
        return {key for key, objective in objectives.items() if objective + self.gains[rung] < self.best}


NO_BAR = Bar()
"""Beats nothing."""


class CheaperArms:
    """What every arm has reached, round by round, and the bar that this sets for the arms that cost more.

    Args:
        rounds: number of rounds by arm id, in order of cost.
    """

    def __init__(self, rounds: Mapping[str, int]) -> None:
        self.order = tuple(rounds)
        self._rounds = rounds
        self._places = {arm_id: place for place, arm_id in enumerate(self.order)}
        self._reached: dict[str, list[Reached]] = {arm_id: [] for arm_id in self.order}

    @classmethod
    def of(cls, plan: StudyPlan) -> CheaperArms:
        """Return the arms of a plan, ordered by added parameters, then bytes, then place in the plan."""
        size, ordered = plan.definition.search.round_size, sorted(plan.arms, key=_cost)
        return cls({arm.arm.arm_id: math.ceil(plan.tune_trials(arm) / size) for arm in ordered})

    def rounds_over(self, arm_id: str) -> int:
        """Return the number of rounds of an arm that are known to be over."""
        return len(self._reached[arm_id])

    def after(self, arm_id: str) -> Sequence[str]:
        """Return the arms that cost more, in order of cost."""
        return self.order[self._places[arm_id] + 1 :]

    def note(self, arm_id: str, reached: Reached) -> None:
        """Take note of what an arm has reached at the end of its next round, all earlier ones included."""
        self._reached[arm_id].append(reached)

    def bar(self, arm_id: str, round_: int) -> Bar | None:
        """Return the bar for the trials of a round; None while an earlier round of a cheaper arm is not over."""
        if round_ == 0:
            return NO_BAR
        before = Reached()
        for cheaper in self.order[: self._places[arm_id]]:
            needed = min(round_, self._rounds[cheaper])
            if self.rounds_over(cheaper) < needed:
                return None
            before = before.joined(self._reached[cheaper][needed - 1])
        return Bar(before.best, before.joined(self._reached[arm_id][round_ - 1]).gains)


def _cost(arm: PlannedArm) -> tuple[int, int]:
    return arm.storage.added_parameters, arm.storage.bytes_fp32
