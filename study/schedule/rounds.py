"""Rounds of tune trials, and the record a run folder keeps of the values each round drew.

The driver draws a round once and records it before any of its trials starts. Everything else reads the record, so
``status``, ``collect`` and ``report`` need no sampler, and another release of the sampler's libraries changes nothing
about a study that has been run. Do not import Optuna here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from search_spaces import Choice, FloatRange, NuisanceRange
from study.journal.events import Event
from study.journal.journal import read_journal
from study.journal.state import TrialState
from study.layout import RunFolder
from study.plan.arm_config import Nuisance
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan, plan_trial


@dataclass(frozen=True)
class Observation:
    """What became of one trial of an earlier round.

    ``value`` is the final objective (larger is better), None when the trial was pruned or diverged. ``rungs`` holds
    the objectives of a pruned trial by epoch; without any, the trial diverged.
    """

    nuisance: Nuisance
    value: float | None
    rungs: Mapping[int, float]


@dataclass(frozen=True)
class RoundRequest:
    """One round of one arm, with everything its values depend on.

    Attributes:
        plan: the study.
        arm: one of its arms.
        number: of the round, from 0.
        size: points wanted.
        told: the arm's trials of earlier rounds, in trial order.
        observations: what became of them, in the same order.
    """

    plan: StudyPlan
    arm: PlannedArm
    number: int
    size: int
    told: tuple[PlannedTrial, ...] = ()
    observations: tuple[Observation, ...] = ()

    @property
    def drawn_from(self) -> dict[str, Any]:
        """What identifies the round: two requests that agree in it draw the same values, up to their size.

        The results of earlier trials are left out, since their ids decide them; so a repeated trial whose last bits
        differ does not move the rounds after it. The first round is shared by all arms in which the same values act.
        """
        search = self.plan.definition.search
        later = {"arm_id": self.arm.arm.arm_id, "told": [trial.trial_id for trial in self.told]}
        return {
            "round": self.number,
            "sampler_seed": search.sampler_seed,
            "ranges": {name: _plain(values) for name, values in self.plan.definition.space.nuisance.items()},
            "idle": sorted(self.plan.idle_nuisance(self.arm)),
            **(later if self.number else {}),
        }

    def trial(self, place: int, nuisance: Nuisance) -> PlannedTrial:
        """Return the trial at a place in the round."""
        return plan_trial(
            self.plan,
            self.arm,
            stage="tune",
            round_=self.number,
            index=len(self.told) + place,
            nuisance=nuisance,
            train_seed=self.plan.definition.seeds.tune_seed,
        )


@dataclass(frozen=True)
class KnownRound:
    """The values known of a round by their place in it, and whether these are all it has."""

    values: Mapping[int, Nuisance]
    whole: bool


class Rounds(Protocol):
    """Where the values of rounds come from."""

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
        """Return what is known of a round; ``states`` are those of at least the arm's own trials."""


class RecordedRounds:
    """Rounds by the record of a run folder, or by the journals of the trials where that is not complete.

    Args:
        events: ``drawn`` events.
        complete: whether every round that has begun is among them; not so in folders of older code, or after damage.
    """

    def __init__(self, events: Iterable[Event] = (), *, complete: bool = True) -> None:
        self.complete = complete
        self._drawn: dict[str, Event] = {}
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Add a ``drawn`` event; of several for one round the largest counts."""
        key = _key(event["drawn_from"])
        if key not in self._drawn or event["size"] >= self._drawn[key]["size"]:
            self._drawn[key] = event

    def recorded(self, request: RoundRequest) -> KnownRound | None:
        """Return what the record holds of a round; not whole where fewer points were drawn than are wanted now."""
        event = self._drawn.get(_key(request.drawn_from))
        if event is None:
            return None
        return KnownRound(dict(enumerate(event["nuisance"][: request.size])), event["size"] >= request.size)

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
        """Return a round as recorded, else as journalled; without values where it has not been drawn."""
        recorded = self.recorded(request)
        if recorded is not None or self.complete:
            return recorded or KnownRound({}, whole=False)
        return journalled_round(request, states)


def read_rounds(folder: RunFolder) -> RecordedRounds:
    """Return the rounds recorded in a run folder; damaged lines count as missing."""
    journal = read_journal(folder.rounds)
    events = [event for event in journal.events if event["event"] == "drawn"]
    return RecordedRounds(events, complete=bool(events) and not journal.torn)


def journalled_round(request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
    """Return what the trials' own journals say of a round, for run folders whose record lacks it.

    Of several trials at one place the last planned counts: it belongs to the latest edition of the study. A round with
    fewer trials than wanted is whole where trials that come after it have begun.
    """
    values: dict[int, Nuisance] = {}
    followed = False
    for event in sorted(_events_of(request, states), key=lambda event: float(event["time"])):
        place = event["index"] - len(request.told)
        if event["stage"] == "confirm" or event["round"] > request.number:
            followed = True
        elif event["round"] == request.number and 0 <= place < request.size:
            values[place] = event["nuisance"]
    unbroken = sorted(values) == list(range(len(values)))
    return KnownRound(values, bool(values) and unbroken and (len(values) == request.size or followed))


def _events_of(request: RoundRequest, states: Mapping[str, TrialState]) -> Iterator[Event]:
    """Yield the ``planned`` events of the arm's trials that the present plan would plan the same way."""
    plan, arm = request.plan, request.arm
    acting = plan.definition.space.nuisance.keys() - plan.idle_nuisance(arm)
    for trial_id, state in states.items():
        event = state.history.planned
        if event["arm"]["arm_id"] != arm.arm.arm_id or event["sampler_seed"] != plan.definition.search.sampler_seed:
            continue
        if event["round"] < request.number and event["stage"] == "tune":
            continue
        if event["nuisance"].keys() == acting and _planned_now(request, event) == trial_id:
            yield event


def _planned_now(request: RoundRequest, event: Event) -> str:
    return plan_trial(
        request.plan,
        request.arm,
        stage=event["stage"],
        round_=event["round"],
        index=event["index"],
        nuisance=event["nuisance"],
        train_seed=event["config"]["train_seed"],
    ).trial_id


def _key(drawn_from: Mapping[str, Any]) -> str:
    return json.dumps(drawn_from, sort_keys=True)


def _plain(values: NuisanceRange) -> list[Any]:
    """Return a range in a form of its own, so that records outlive changes of how study files are written."""
    if isinstance(values, Choice):
        return ["choice", *values.values]
    if isinstance(values, FloatRange):
        return ["float", float(values.low), float(values.high), values.log]
    return ["int", values.low, values.high, values.log]
