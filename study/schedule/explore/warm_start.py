"""Warm start: what tune trials of earlier studies reached, which the sampler is told before its first round.

The trials are read once and recorded in ``rounds.jsonl``, so that a run depends neither on what later becomes of the
earlier studies nor on their folders. They are never trials of this study: its tables, its front and its choices know
nothing of them, and it may train the same configuration itself. Do not import Optuna here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search_spaces import Choice, NuisanceRange
from search_spaces.nuisance import NUISANCE
from study.definition.dotted import dotted
from study.definition.model import SelectionSection
from study.errors import UserError
from study.journal.events import Event
from study.journal.history import planned_event
from study.journal.index import read_states
from study.journal.journal import read_journal
from study.journal.state import TrialState
from study.layout import RunFolder
from study.plan.arm_config import Nuisance
from study.plan.plan import PlannedArm, StudyPlan, plan_trial
from study.run_folder.place import run_folder_at
from study.run_folder.plan_file import read_document
from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig

_OF_NO_WEIGHT = ("compute", "data.source", "evaluation.splits", "train_seed")
"""Settings in which an earlier trial may differ: where it ran, where its images were, and its seed."""


@dataclass(frozen=True)
class EarlierTrial:
    """A tune trial of an earlier study, as a trial of an arm of this one.

    Attributes:
        run: the earlier study's run folder, or its URL.
        trial_id: there.
        arm_id: of the arm.
        nuisance: the values that act in the arm.
        objective: None if it diverged.
    """

    run: str
    trial_id: str
    arm_id: str
    nuisance: Nuisance
    objective: float | None


def earlier_trials(plan: StudyPlan) -> tuple[EarlierTrial, ...]:
    """Return the tune trials of ``search.warm_start`` that ended in an arm and at values of this study's space.

    Raises:
        UserError: a run is missing, was of other data, selection or training, or has no such trial.
    """
    found: dict[str, EarlierTrial] = {}
    for run in plan.definition.search.warm_start:
        try:
            for trial in _Run(plan, run_folder_at(Path(run))).trials():
                found.setdefault(trial.trial_id, trial)
        except UserError as error:
            raise UserError(f"search.warm_start: {error}") from error
    return tuple(found.values())


def warm_start_event(trials: Iterable[EarlierTrial]) -> Event:
    """Return the event that records what the sampler is told."""
    rows = [{**vars(trial), "nuisance": dict(trial.nuisance)} for trial in trials]
    return {"event": "warm_start", "trials": rows}


def recorded_trials(event: Event) -> tuple[EarlierTrial, ...]:
    """Return the trials in such an event."""
    return tuple(EarlierTrial(**row) for row in event["trials"])


def warm_start_lines(trials: Iterable[EarlierTrial]) -> Iterator[str]:
    """Yield a line for every run: how many of its trials the sampler is told."""
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.run] = counts.get(trial.run, 0) + 1
    for run, number in counts.items():
        yield f"warm start: the sampler is told {number} earlier tune trials of {run}"


class _Run:
    """One earlier study."""

    def __init__(self, plan: StudyPlan, folder: RunFolder) -> None:
        self._plan = plan
        self._folder = folder
        self._arms = {arm.arm.arm_id: arm for arm in plan.arms}
        self._other: str = ""  # how a trial in the space differs in its training

    def trials(self) -> Iterator[EarlierTrial]:
        self._refuse_another_measure(read_document(self._folder))
        number = known = 0
        for state in read_states(self._folder).values():
            if state.history.planned["stage"] != "tune" or state.history.state not in ("completed", "diverged"):
                continue
            known += 1
            found = self._in_this_space(state)
            if found is not None:
                number += 1
                yield found
        if number == 0:
            why = self._other or f"none of its {known} tune trials that ended is of an arm and values of this space"
            raise UserError(f"{self._folder.shown}: {why}; leave it out")

    def _refuse_another_measure(self, document: Mapping[str, Any]) -> None:
        """Refuse a study whose objectives say nothing of this one."""
        plan, before = self._plan, document["definition"]
        try:
            selection = SelectionSection.model_validate(before["selection"])
        except ValidationError:
            selection = None
        differs = {
            "its images or labels are others": document["data_fingerprint"] != plan.data_fingerprint,
            f"its trials were compared by {before['selection']}": selection != plan.definition.selection,
            "its results are of another version": document.get("results_version") != plan.results_version,
        }
        for what, applies in differs.items():
            if applies:
                raise UserError(f"{self._folder.shown}: {what}; leave it out")

    def _in_this_space(self, state: TrialState) -> EarlierTrial | None:
        arm = self._arms.get(state.history.planned["arm"]["arm_id"])
        if arm is None:
            return None
        journal = self._folder.trial(state.history.trial_id).journal
        config = planned_event(read_journal(journal).events)["config"]
        nuisance = self._values(arm, config)
        if nuisance is None or not self._trained_alike(arm, nuisance, config):
            return None
        objective = state.history.objective if state.history.state == "completed" else None
        return EarlierTrial(self._folder.shown, state.history.trial_id, arm.arm.arm_id, nuisance, objective)

    def _values(self, arm: PlannedArm, config: Mapping[str, Any]) -> Nuisance | None:
        """Return the values that act in the arm, tuned or fixed in the earlier study; None if outside the ranges."""
        settings, idle = dotted(config, without=()), self._plan.idle_nuisance(arm)
        ranges = {name: each for name, each in self._plan.definition.space.nuisance.items() if name not in idle}
        values = {name: settings[NUISANCE[name].key] for name in ranges if settings.get(NUISANCE[name].key) is not None}
        inside = len(values) == len(ranges) and all(holds(ranges[name], value) for name, value in values.items())
        return values if inside else None

    def _trained_alike(self, arm: PlannedArm, nuisance: Nuisance, config: Mapping[str, Any]) -> bool:
        plan = self._plan
        here = plan_trial(
            plan, arm, stage="tune", round_=0, index=0, nuisance=nuisance, train_seed=plan.definition.seeds.tune_seed
        ).config
        try:
            there = TrialConfig.model_validate_json(json.dumps(config))
        except ValidationError as error:
            self._other = f"its trials are not valid today ({error.errors()[0]['msg']})"
            return False
        same = {"compute": here.compute, "train_seed": here.train_seed, "evaluation": there.evaluation}
        same["evaluation"] = there.evaluation.model_copy(update={"splits": here.evaluation.splits})
        if trial_id(there.model_copy(update=same), "") == trial_id(here, ""):
            return True
        self._other = self._other or f"its trials were trained otherwise ({_difference(there, here)})"
        return False


def _difference(there: TrialConfig, here: TrialConfig) -> str:
    """Return the first settings that differ."""
    then, now = (dotted(config.model_dump(mode="json"), without=_OF_NO_WEIGHT) for config in (there, here))
    key = next((key for key in {**then, **now} if then.get(key) != now.get(key)), "other code")
    return f"{key} {then.get(key)}, here {now.get(key)}"


def holds(values: NuisanceRange, value: Any) -> bool:
    """Return whether a range has the value."""
    if isinstance(values, Choice):
        return value in values.values
    return bool(values.low <= value <= values.high)
