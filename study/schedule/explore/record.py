"""The record of rounds that a sampler proposed, as events of ``rounds.jsonl``. Do not import Optuna here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.journal.events import Event
from study.plan.arm_config import Nuisance
from study.plan.plan import PlannedTrial, StudyPlan, plan_trial
from study.schedule.explore.warm_start import EarlierTrial, recorded_trials

Choices = Mapping[str, Any]
"""What a sampler chose: an alternative of every gene and a value of every nuisance range, by name."""


@dataclass(frozen=True)
class Proposal:
    """What a sampler chose, and the trial that it describes.

    Attributes:
        choices: all of them, those without effect in the arm included.
        arm_id: of the arm.
        nuisance: the values that act in the arm.
    """

    choices: Choices
    arm_id: str
    nuisance: Nuisance


@dataclass(frozen=True)
class Refused:
    """What a sampler chose and was told to be infeasible; it is never trained.

    Attributes:
        choices: all of them.
        excess: by how much the arm exceeds ``space.budget``, as a share of the limit; 1 for no arm of the space.
    """

    choices: Choices
    excess: float


@dataclass(frozen=True)
class Proposed:
    """A round: the trials proposed, what was refused on the way, and the number of trials that were asked for."""

    trials: tuple[Proposal, ...]
    refused: tuple[Refused, ...]
    size: int


@dataclass(frozen=True)
class Outcome:
    """A trial of an earlier round: what was chosen, its objective (None if it has none), and its added parameters."""

    choices: Choices
    objective: float | None
    added_parameters: float
    round: int


@dataclass(frozen=True)
class ExploreRequest:
    """One round, with everything that it depends on.

    Attributes:
        plan: the study.
        number: of the round, from 0.
        size: trials asked for.
        told: the trials of earlier rounds, in order.
        outcomes: theirs.
        refused: what was refused in earlier rounds, by round.
        earlier: trials of earlier studies; those who only read rounds leave them out.
    """

    plan: StudyPlan
    number: int
    size: int
    told: tuple[PlannedTrial, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    refused: tuple[tuple[Refused, ...], ...] = ()
    earlier: tuple[EarlierTrial, ...] = ()

    @property
    def drawn_from(self) -> dict[str, Any]:
        """The identity of the round. Results are omitted, since ids of trials determine them; so is the space.

        So are trials of earlier studies, since one record of them counts from the first round on. A round therefore
        stays when levels are added to the space; later rounds are proposed from the larger one.
        """
        search = self.plan.definition.search
        return {
            "explore": self.number,
            "sampler": search.sampler,
            "sampler_seed": search.sampler_seed,
            "round_size": search.round_size,
            "told": [trial.trial_id for trial in self.told],
        }

    def trial(self, place: int, proposal: Proposal) -> PlannedTrial:
        """Return the trial at a place in the round."""
        return plan_trial(
            self.plan,
            next(arm for arm in self.plan.arms if arm.arm.arm_id == proposal.arm_id),
            stage="tune",
            round_=self.number,
            index=len(self.told) + place,
            nuisance=proposal.nuisance,
            train_seed=self.plan.definition.seeds.tune_seed,
        )


class ProposedRounds:
    """The rounds in the record of a run folder."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}
        self.earlier: tuple[EarlierTrial, ...] | None = None  # of earlier studies; None if none were read yet

    def add(self, event: Event) -> None:
        """Add a ``proposed`` or ``warm_start`` event; of several for one round the last counts."""
        if event["event"] == "warm_start":
            self.earlier = recorded_trials(event)
            return
        self._events[_key(event["drawn_from"])] = event

    def recorded(self, request: ExploreRequest) -> Proposed | None:
        """Return a round as it was recorded; None if it was not, or if the study no longer has one of its arms."""
        event = self._events.get(_key(request.drawn_from))
        if event is None:
            return None
        arms = {arm.arm.arm_id for arm in request.plan.arms}
        trials = tuple(Proposal(**each) for each in event["trials"][: request.size])
        refused = tuple(Refused(**each) for each in event["refused"])
        return Proposed(trials, refused, event["size"]) if all(each.arm_id in arms for each in trials) else None


def proposed_event(request: ExploreRequest, proposed: Proposed, drawn_with: Mapping[str, str]) -> Event:
    """Return the event that records a round."""
    return {
        "event": "proposed",
        "drawn_from": request.drawn_from,
        "size": proposed.size,
        "trials": [
            {"choices": dict(each.choices), "arm_id": each.arm_id, "nuisance": dict(each.nuisance)}
            for each in proposed.trials
        ],
        "refused": [{"choices": dict(each.choices), "excess": each.excess} for each in proposed.refused],
        "drawn_with": dict(drawn_with),
    }


def _key(drawn_from: Mapping[str, Any]) -> str:
    return json.dumps(drawn_from, sort_keys=True)
