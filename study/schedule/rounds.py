"""Rounds of tune trials, and the record in a run folder of the values drawn for each round.

The driver draws a round once and records it before any of its trials starts. Everything else reads the record, so
``status``, ``collect`` and ``report`` need no sampler, and another release of the sampler's libraries does not affect
a study that has been run. Do not import Optuna here.
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
from study.schedule.explore.record import ExploreRequest, Proposed, ProposedRounds
from study.schedule.explore.warm_start import EarlierTrial, earlier_trials

_KINDS = ("drawn", "proposed", "warm_start")


@dataclass(frozen=True)
class Observation:
    """The outcome of one trial of an earlier round.

    ``value`` is the final objective (larger is better), or None if the trial was pruned or diverged. ``rungs`` holds
    the objectives of a pruned trial by epoch; if ``value`` is None and ``rungs`` is empty, the trial diverged.
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
        number: number of the round, from 0.
        size: number of points requested.
        told: the arm's trials of earlier rounds, in trial order.
        observations: their outcomes, in the same order.
    """

    plan: StudyPlan
    arm: PlannedArm
    number: int
    size: int
    told: tuple[PlannedTrial, ...] = ()
    observations: tuple[Observation, ...] = ()

    @property
    def drawn_from(self) -> dict[str, Any]:
        """The identity of the round: requests with equal identities draw the same values, up to their size.

        The results of earlier trials are omitted, since trial ids determine them; a repeated trial whose result differs
        in the last bits thus does not change later rounds. The first round is shared by all arms in which the same
        values have an effect.
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
    """The known values of a round by their place in it, and whether they are the whole round."""

    values: Mapping[int, Nuisance]
    whole: bool


class Rounds(Protocol):
    """A source of rounds: of the values of an arm's, and of what is proposed in the mode ``explore``."""

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
        """Return the known values of a round; ``states`` must cover at least the arm's own trials."""

    def proposed(self, request: ExploreRequest) -> Proposed | None:
        """Return a round of the mode ``explore``; None if it has not been drawn."""


class RecordedRounds:
    """Rounds from the record of a run folder, or from the journals of the trials if the record is incomplete.

    Args:
        events: of the kinds ``drawn``, ``proposed`` and ``warm_start``.
        complete: whether they include every round that has started; False for folders of older code, or after damage.
    """

    def __init__(self, events: Iterable[Event] = (), *, complete: bool = True) -> None:
        self.complete = complete
        self._drawn: dict[str, Event] = {}
        self._proposed = ProposedRounds()
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Add an event; if a round has several, the largest counts, and of equal ones the last."""
        if event["event"] in ("proposed", "warm_start"):
            self._proposed.add(event)
            return
        key = _key(event["drawn_from"])
        if key not in self._drawn or event["size"] >= self._drawn[key]["size"]:
            self._drawn[key] = event

    def recorded(self, request: RoundRequest) -> KnownRound | None:
        """Return the recorded values of a round; not whole if fewer points were drawn than are now requested."""
        event = self._drawn.get(_key(request.drawn_from))
        if event is None:
            return None
        return KnownRound(dict(enumerate(event["nuisance"][: request.size])), event["size"] >= request.size)

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
        """Return a round from the record, else from the journals; without values if it has not been drawn."""
        recorded = self.recorded(request)
        if recorded is not None or self.complete:
            return recorded or KnownRound({}, whole=False)
        return journalled_round(request, states)

    def proposed(self, request: ExploreRequest) -> Proposed | None:
        """Return a round of the mode ``explore`` from the record."""
        return self._proposed.recorded(request)

    @property
    def earlier(self) -> tuple[EarlierTrial, ...] | None:
        """The trials of earlier studies that the sampler is told; None if none were recorded."""
        return self._proposed.earlier


def read_rounds(folder: RunFolder) -> RecordedRounds:
    """Return the rounds recorded in a run folder; damaged lines are skipped and make the record incomplete."""
    journal = read_journal(folder.rounds)
    events = [event for event in journal.events if event["event"] in _KINDS]
    return RecordedRounds(events, complete=bool(events) and not journal.torn)


def told_trials(plan: StudyPlan, folder: RunFolder) -> tuple[EarlierTrial, ...]:
    """Return the trials of earlier studies that the sampler is told: those on record, else what those studies hold.

    Raises:
        UserError: nothing is on record, and a run in ``search.warm_start`` does not fit.
    """
    recorded = read_rounds(folder).earlier
    return earlier_trials(plan) if recorded is None else recorded


def journalled_round(request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
    """Return the values of a round from the trials' own journals, for run folders whose record lacks it.

    If several trials share a place, the last one planned counts, since it belongs to the latest edition of the study. A
    round with fewer trials than requested is whole if trials that come after it have started.
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
    """Yield the ``planned`` events of the arm's trials that the current plan would plan identically."""
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
    """Return a range in a dedicated format, so that records survive changes to the study file format."""
    if isinstance(values, Choice):
        return ["choice", *values.values]
    if isinstance(values, FloatRange):
        return ["float", float(values.low), float(values.high), values.log]
    return ["int", values.low, values.high, values.log]
