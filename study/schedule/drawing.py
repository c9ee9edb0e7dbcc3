"""Draws rounds. Only the driver of a run does this, and only this module imports the sampler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version

from study.errors import UserError
from study.journal.events import Event
from study.journal.index import read_states
from study.journal.journal import JournalWriter, read_journal, sealed_line
from study.journal.state import TrialState
from study.layout import RunFolder
from study.plan.arm_config import Nuisance
from study.plan.document import read_plan
from study.plan.plan import StudyPlan
from study.schedule.explore.genes import Genes
from study.schedule.explore.proposing import propose, samplers_of
from study.schedule.explore.record import ExploreRequest, Proposed, proposed_event
from study.schedule.explore.sampler import Samplers
from study.schedule.explore.warm_start import EarlierTrial, earlier_trials, warm_start_event
from study.schedule.rounds import KnownRound, RecordedRounds, RoundRequest, read_rounds
from study.schedule.sampling.sampler import Round, ToldPoints, sample_round, told_points
from study.schedule.study_design import study_design
from trainables.config.identity import RESULTS_VERSION
from trainables.foundation.files import write_text_atomically

_LIBRARIES = ("optuna", "scipy", "numpy")


class DrawnRounds:
    """Recorded rounds; a missing round is drawn and recorded before any of its trials can start.

    Args:
        folder: the run folder, locked by the caller; None keeps the record in memory.
    """

    def __init__(self, folder: RunFolder | None = None) -> None:
        self._folder = folder
        self._record = read_rounds(folder) if folder else RecordedRounds()
        self._proposing: tuple[Genes, Samplers] | None = None
        self._told: dict[str, ToldPoints] = {}  # by the ids of the arms that have rounds to come

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:  # noqa: ARG002 - as Rounds
        """Return the round, drawing it if necessary."""
        recorded = self._record.recorded(request)
        if recorded is not None and recorded.whole:
            return recorded
        arm_id, plan = request.arm.arm.arm_id, request.plan
        if arm_id not in self._told:
            self._told[arm_id] = told_points(plan.definition.space.nuisance, plan.idle_nuisance(request.arm))
        points = draw(request, tuple(recorded.values.values()) if recorded else (), self._told[arm_id])
        if len(request.told) + request.size >= plan.tune_trials(request.arm):
            del self._told[arm_id]  # its last round
        return self.record(request, points)

    def proposed(self, request: ExploreRequest) -> Proposed:
        """Return a round of the mode ``explore``, drawing it if necessary."""
        recorded = self._record.proposed(request)
        if recorded is not None and recorded.size >= request.size:
            return recorded
        if self._proposing is None or self._proposing[0].plan is not request.plan:
            genes = Genes(request.plan)
            self._proposing = genes, samplers_of(genes)
        request = replace(request, earlier=self._earlier(request.plan))
        proposed = propose(request, *self._proposing, recorded.trials if recorded else ())
        if recorded is not None:
            proposed = replace(proposed, refused=(*recorded.refused, *proposed.refused))
        self._keep(proposed_event(request, proposed, self._drawn_with))
        return proposed

    def _earlier(self, plan: StudyPlan) -> tuple[EarlierTrial, ...]:
        """Return what the sampler is told of earlier studies, reading and recording it once."""
        if self._record.earlier is None and plan.definition.search.warm_start:
            self._keep(warm_start_event(earlier_trials(plan)))
        return self._record.earlier or ()

    def record(self, request: RoundRequest, points: tuple[Nuisance, ...]) -> KnownRound:
        """Record the values of a round; they are on disk when this returns."""
        self._keep(_drawn(request, points, self._drawn_with))
        return KnownRound(dict(enumerate(points)), whole=True)

    @cached_property
    def _drawn_with(self) -> dict[str, str]:
        return _releases()

    def _keep(self, event: Event) -> None:
        if self._folder is not None:
            with JournalWriter(self._folder.rounds) as writer:
                writer.append(**event)
        self._record.add(event)


def _drawn(request: RoundRequest, points: tuple[Nuisance, ...], drawn_with: Mapping[str, str]) -> Event:
    return {
        "event": "drawn",
        "drawn_from": request.drawn_from,
        "size": request.size,
        "nuisance": [dict(point) for point in points],
        "arm": request.arm.arm.name,
        "drawn_with": dict(drawn_with),
    }


def _releases() -> dict[str, str]:
    return {name: version(name) for name in _LIBRARIES}


def draw(
    request: RoundRequest, begun: tuple[Nuisance, ...] = (), told: ToldPoints | None = None
) -> tuple[Nuisance, ...]:
    """Return the values of a round: those of an earlier, smaller draw (``begun``), then new ones from the sampler.

    ``told`` is what the sampler was told for earlier rounds of the arm, and is told more; it changes no values.
    """
    search, space = request.plan.definition.search, request.plan.definition.space
    idle = request.plan.idle_nuisance(request.arm)
    wanted = Round(request.arm.arm.arm_id, request.number, request.size, search.sampler_seed, idle)
    drawn = sample_round(space.nuisance, wanted, request.observations, told)
    return (*begun, *(point for point in drawn if point not in begun))[: request.size]


def recover_rounds(folder: RunFolder) -> None:
    """Record rounds that have started but are missing from the record, due to older code or damage.

    Call this while ``plan.json`` is still the plan of the trials. The sampler redraws each missing round, which must
    reproduce the values in the trials' journals. Another release of Optuna may draw different values; the values in
    the journals are then used, provided that they cover the whole round.

    Raises:
        UserError: the journals hold only part of a round, and this release of Optuna draws different values.
    """
    if read_rounds(folder).complete or not folder.plan.is_file():
        return
    plan, states = read_plan(folder), read_states(folder)
    if not states or plan.results_version != RESULTS_VERSION or plan.definition.search.mode == "explore":
        return  # rounds that were explored are drawn again: they depend on nothing but what is known
    rounds = _RecoveredRounds(folder)
    study_design(plan, rounds).progress(states)
    rounds.write()


class _RecoveredRounds:
    """Rounds from record and journals; rounds found only in the journals are added to a new, complete record."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._record = read_rounds(folder)
        self._lines = [sealed_line(event) for event in read_journal(folder.rounds).events]

    def known(self, request: RoundRequest, states: Mapping[str, TrialState]) -> KnownRound:
        known = self._record.known(request, states)
        if self._record.recorded(request) is not None or not known.values:
            return known
        points = draw(request)
        others = _other_releases(request, known, states)
        if others and any(points[place : place + 1] != (value,) for place, value in known.values.items()):
            if not known.whole:
                raise UserError(_cannot_be_drawn(self._folder, request, others))
            points = tuple(known.values[place] for place in sorted(known.values))
        event = {**_drawn(request, points, _releases()), "time": time.time()}
        self._record.add(event)
        self._lines.append(sealed_line(event))
        return KnownRound(dict(enumerate(points)), whole=True)

    def proposed(self, request: ExploreRequest) -> Proposed | None:
        return self._record.proposed(request)

    def write(self) -> None:
        """Replace the record atomically, so that an interruption leaves the old one, still marked as incomplete."""
        write_text_atomically(self._folder.rounds, "".join(self._lines))


def _other_releases(request: RoundRequest, known: KnownRound, states: Mapping[str, TrialState]) -> tuple[str, ...]:
    """Return the releases of Optuna, other than the installed one, with which trials of a round were run."""
    ids = [request.trial(place, value).trial_id for place, value in known.values.items()]
    found = {states[trial_id].history.software.get("optuna", "") for trial_id in ids}
    return tuple(sorted(found - {"", version("optuna")}))


def _cannot_be_drawn(folder: RunFolder, request: RoundRequest, releases: tuple[str, ...]) -> str:
    return (
        f"{folder.rounds}: round {request.number} of arm {request.arm.arm.name!r} is not on record, and Optuna"
        f" {version('optuna')} draws other values than its trials have; run once with optuna=={releases[0]}, which"
        " records it, or give the study another name"
    )
