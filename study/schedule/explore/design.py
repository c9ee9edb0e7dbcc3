"""The design of a study in the mode ``explore``: rounds of trials of any arms, then confirm trials of the front's arms.

It is a function of the plan, the recorded rounds and the journals, as that of the mode ``design`` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from results.analysis.tradeoff import pareto_front
from study.journal.state import TrialState
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan
from study.schedule.design import ArmProgress, behind_units, best_trial, confirm_trials, why_nothing_was_selected
from study.schedule.explore.record import ExploreRequest, Outcome, Proposed
from study.schedule.pruning.halving import States, round_progress


class ProposalSource(Protocol):
    """A source of rounds."""

    def proposed(self, request: ExploreRequest) -> Proposed | None:
        """Return a round; None if it has not been drawn."""


class ExploreDesign:
    """Determines what to run in every arm. Rounds that are over are kept, since all that they depend on is final.

    Args:
        plan: the study, with all arms that may be proposed.
        source: of its rounds.
    """

    def __init__(self, plan: StudyPlan, source: ProposalSource) -> None:
        self._plan = plan
        self._source = source
        self._by_id = {arm.arm.arm_id: arm for arm in plan.arms}
        self._rounds: list[tuple[PlannedTrial, ...]] = []
        self._proposed: list[Proposed] = []
        self._of_arm: dict[str, list[PlannedTrial]] = {arm_id: [] for arm_id in self._by_id}
        self._front: frozenset[str] | None = None  # None: not all rounds are over
        self._exhausted = False

    @property
    def to_propose(self) -> int:
        """Number of trials that are still to be proposed; 0 once the space has no more new ones."""
        return 0 if self._exhausted else max(0, self._trials - sum(map(len, self._rounds)))

    def progress(self, states: States) -> dict[str, ArmProgress]:
        """Return the state of every arm by arm id, in plan order; an arm that was not proposed has no trials."""
        self._advance(states)
        return {arm_id: self._arm(arm_id, states) for arm_id in self._by_id}

    def changed(self, arm_id: str, states: States) -> Mapping[str, ArmProgress]:
        """Return the new state of an arm after an event in it; of all arms if a round has ended with it."""
        before = len(self._rounds), self._front
        self._advance(states)
        if (len(self._rounds), self._front) != before:
            return {each: self._arm(each, states) for each in self._by_id}
        return {arm_id: self._arm(arm_id, states)}

    @property
    def _trials(self) -> int:
        return self._plan.definition.search.trials or 0

    def _advance(self, states: States) -> None:
        """Take the next rounds, as far as the last one is over; then determine the front."""
        while self._front is None and (not self._rounds or _is_over(self._rounds[-1], states)):
            if not self.to_propose:
                self._front = self._front_of(states)
                return
            size = min(self._plan.definition.search.round_size, self.to_propose)
            request = self._request(size, states)
            proposed = self._source.proposed(request)
            if proposed is None:
                return
            self._exhausted = len(proposed.trials) < size <= proposed.size
            trials = tuple(request.trial(place, each) for place, each in enumerate(proposed.trials))
            self._rounds.append(trials)
            self._proposed.append(proposed)
            for trial in trials:
                self._of_arm[trial.arm.arm_id].append(trial)

    def _request(self, size: int, states: States) -> ExploreRequest:
        told = tuple(trial for trials in self._rounds for trial in trials)
        choices = (each.choices for proposed in self._proposed for each in proposed.trials)
        outcomes = tuple(
            Outcome(chosen, _objective(trial, states), self._cost(trial.arm.arm_id), trial.round)
            for trial, chosen in zip(told, choices, strict=True)
        )
        refused = tuple(proposed.refused for proposed in self._proposed)
        return ExploreRequest(self._plan, len(self._rounds), size, told, outcomes, refused)

    def _cost(self, arm_id: str) -> int:
        return self._by_id[arm_id].storage.added_parameters

    def _front_of(self, states: States) -> frozenset[str]:
        """Return the arms that no other beats on the validation objective of its best trial and added parameters."""
        known = [arm_id for arm_id, trials in self._of_arm.items() if trials]
        best = [max(_value(trial, states) for trial in self._of_arm[arm_id]) for arm_id in known]
        objectives = np.where(np.isfinite(best), best, np.nan)
        on_front = pareto_front(objectives, np.array([self._cost(arm_id) for arm_id in known], dtype=np.float64))
        return frozenset(arm_id for arm_id, chosen in zip(known, on_front, strict=True) if chosen)

    def _arm(self, arm_id: str, states: States) -> ArmProgress:
        found = self._decided(self._by_id[arm_id], tuple(self._of_arm[arm_id]), states)
        behind = behind_units(found, states)
        return replace(found, ready=(*found.ready, *behind), behind=behind, as_known=True)

    def _decided(self, arm: PlannedArm, tune: tuple[PlannedTrial, ...], states: States) -> ArmProgress:
        ready = round_progress(tune, states, halving=None).ready
        if ready or self._front is None or not tune:
            return ArmProgress(tune, (), ready, ())
        selected = best_trial(self._plan, tune, (), states)
        if selected is None:
            return ArmProgress(tune, (), (), (), failure=why_nothing_was_selected(tune, states))
        if arm.arm.arm_id not in self._front:
            return ArmProgress(tune, (), (), (), selected)
        confirm = confirm_trials(self._plan, arm, selected)
        return ArmProgress(tune, confirm, round_progress(confirm, states, halving=None).ready, (), selected)


def _is_over(trials: tuple[PlannedTrial, ...], states: States) -> bool:
    known: list[TrialState | None] = [states.get(trial.trial_id) for trial in trials]
    return all(state is not None and state.history.is_final for state in known)


def _objective(trial: PlannedTrial, states: States) -> float | None:
    history = states[trial.trial_id].history
    return history.objective if history.state == "completed" else None


def _value(trial: PlannedTrial, states: States) -> float:
    objective = _objective(trial, states)
    return -np.inf if objective is None else objective
