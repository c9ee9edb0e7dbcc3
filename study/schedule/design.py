"""The design of one arm: rounds of tune trials, selection among them, and confirm trials for the selected one.

The design is a function of the plan, the rounds drawn and the journals of the arm. It does not depend on the number of
workers, the order in which trials finish, or interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from results.analysis.selection import BestTrialPerArm, Candidate
from study.journal.failures import one_line
from study.journal.history import TrialHistory
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan, plan_trial
from study.schedule.pruning.asynchronous import asynchronous_progress
from study.schedule.pruning.cheaper_arms import NO_BAR, Bar, CheaperArms, Ended, Reached
from study.schedule.pruning.halving import AtRung, Pruning, RoundProgress, States, round_progress
from study.schedule.rounds import Observation, RoundRequest, Rounds
from study.schedule.units import WorkUnit


@dataclass(frozen=True)
class ArmProgress:
    """The state of an arm.

    Attributes:
        tune: the tune trials known so far, in trial order.
        confirm: the confirm trials, once the tune trials are decided.
        ready: units that may run now: not started, unfinished, failed, or behind. Empty when the arm is done.
        behind: units of trials whose end is known but whose journal has lost earlier records; the records are restored
            from the checkpoint or weights. These units affect no decision and block no other unit.
        pruned: all trials ended at a rung.
        selected: the selected tune trial, once there is one.
        failure: why no trial was selected although all tune trials have ended, else empty.
        undrawn: whether values of the current round are still to be drawn, which the driver of the next run does.
        waits: whether trials stand at a rung until rounds of cheaper arms are over, or somebody decides on them.
        undecided: the trials on which the driver decides, under asynchronous halving.
        as_known: whether the trials known are all that can be foreseen, since a sampler decides which arms get more.
    """

    tune: tuple[PlannedTrial, ...]
    confirm: tuple[PlannedTrial, ...]
    ready: tuple[WorkUnit, ...]
    pruned: tuple[Pruning, ...]
    selected: PlannedTrial | None = None
    failure: str = ""
    behind: tuple[WorkUnit, ...] = ()
    undrawn: bool = False
    waits: bool = False
    undecided: tuple[AtRung, ...] = ()
    as_known: bool = False

    @property
    def done(self) -> bool:
        """Whether the arm has nothing left to run."""
        return not (self.ready or self.undrawn or self.waits)


class ArmDesign:
    """Determines what to run in one arm. Known rounds are cached, since everything they depend on is final.

    So is what came of rounds that are over: the states given to later calls may only be newer ones.

    Args:
        plan: the study.
        arm: one of its arms.
        source: the source of the values of its rounds.
        cheaper: the study's arms in order of cost, if they stop each other's trials; else None.
    """

    def __init__(self, plan: StudyPlan, arm: PlannedArm, source: Rounds, cheaper: CheaperArms | None = None) -> None:
        self._plan = plan
        self._arm = arm
        self._source = source
        self._cheaper = cheaper
        self._rounds: list[tuple[PlannedTrial, ...]] = []
        self._over: list[tuple[Pruning, ...]] = []
        self._confirm: dict[str, tuple[PlannedTrial, ...]] = {}  # by the selected trial's id

    def progress(self, states: States) -> ArmProgress:
        """Return the state of the arm, given the states, by trial id, of at least its own trials."""
        found = self._decided(states)
        behind = behind_units(found, states)
        return replace(found, ready=(*found.ready, *behind), behind=behind)

    def _decided(self, states: States) -> ArmProgress:
        tune: list[PlannedTrial] = []
        pruned: list[Pruning] = []
        for number, size in enumerate(self._round_sizes()):
            if number == len(self._rounds):
                told = _observations(tune, pruned, states)
                request = RoundRequest(self._plan, self._arm, number, size, tuple(tune), told)
                known = self._source.known(request, states)
                trials = tuple(request.trial(place, known.values[place]) for place in sorted(known.values))
                if not known.whole:
                    return ArmProgress((*tune, *trials), (), (), tuple(pruned), undrawn=True)
                self._rounds.append(trials)
            trials = self._rounds[number]
            tune += trials
            if number < len(self._over):
                pruned += self._over[number]
                continue
            here = self._in_round(number, states)
            pruned += here.pruned
            if here.ready or here.waits:
                found = ArmProgress(tuple(tune), (), here.ready, tuple(pruned))
                return replace(found, waits=here.waits, undecided=here.undecided)
            self._over.append(here.pruned)
            if self._cheaper is not None:
                self._cheaper.note(self._arm.arm.arm_id, Reached.by(_ended(tune, pruned, states)))
        return self._confirmation(tuple(tune), tuple(pruned), states)

    def _in_round(self, number: int, states: States) -> RoundProgress:
        trials, halving = self._rounds[number], self._plan.definition.search.halving
        if halving is not None and halving.mode == "asynchronous":
            return asynchronous_progress(trials, states, halving)
        return round_progress(trials, states, halving, self._bar(number))

    def _bar(self, number: int) -> Bar | None:
        return NO_BAR if self._cheaper is None else self._cheaper.bar(self._arm.arm.arm_id, number)

    def _round_sizes(self) -> list[int]:
        search, total = self._plan.definition.search, self._plan.tune_trials(self._arm)
        return [min(search.round_size, total - start) for start in range(0, total, search.round_size)]

    def _confirmation(self, tune: tuple[PlannedTrial, ...], pruned: tuple[Pruning, ...], states: States) -> ArmProgress:
        selected = best_trial(self._plan, tune, pruned, states)
        if selected is None:
            return ArmProgress(tune, (), (), pruned, failure=why_nothing_was_selected(tune, states))
        if selected.trial_id not in self._confirm:
            self._confirm = {selected.trial_id: confirm_trials(self._plan, self._arm, selected)}
        confirm = self._confirm[selected.trial_id]
        ready = round_progress(confirm, states, halving=None).ready
        return ArmProgress(tune, confirm, ready, pruned, selected)


def is_infeasible(arm: ArmProgress, states: States) -> bool:
    """Return whether no tune trial of an arm can ever finish here."""
    return len(_infeasible(arm.tune, states)) == len(arm.tune)


def _infeasible(trials: tuple[PlannedTrial, ...], states: States) -> list[TrialHistory]:
    known = (states.get(trial.trial_id) for trial in trials)
    return [state.history for state in known if state is not None and state.history.state == "infeasible"]


def confirm_trials(plan: StudyPlan, arm: PlannedArm, selected: PlannedTrial) -> tuple[PlannedTrial, ...]:
    """Return the trials that train the selected values again, one for each confirm seed."""
    return tuple(
        plan_trial(plan, arm, stage="confirm", round_=0, index=index, nuisance=selected.nuisance, train_seed=seed)
        for index, seed in enumerate(plan.definition.confirm.seeds)
    )


def why_nothing_was_selected(tune: tuple[PlannedTrial, ...], states: States) -> str:
    """Return the reason why an arm whose tune trials have all ended has no selected trial."""
    infeasible = _infeasible(tune, states)
    cause = one_line(infeasible[0].failures[-1]) if infeasible else ""
    if len(infeasible) == len(tune):
        return f"none of its {len(tune)} tune trials can finish here: {cause}"
    reason = f"none of its {len(tune)} tune trials ended with a finite objective"
    return f"{reason}; {len(infeasible)} of them cannot finish here: {cause}" if infeasible else reason


def behind_units(arm: ArmProgress, states: States) -> tuple[WorkUnit, ...]:
    """Return the units that restore lost journal lines of trials that need no other work."""
    lost = {pruning.trial.trial_id: pruning.epoch for pruning in arm.pruned}
    wanted = {unit.trial.trial_id for unit in arm.ready}
    units = []
    for trial in (*arm.tune, *arm.confirm):
        state = states.get(trial.trial_id)
        if state is None or trial.trial_id in wanted:
            continue
        until = lost.get(trial.trial_id)
        if (until is not None or state.history.is_final) and not state.is_done(until):
            units.append(WorkUnit.of(trial, states, until))
    return tuple(units)


def _observations(tune: list[PlannedTrial], pruned: list[Pruning], states: States) -> tuple[Observation, ...]:
    """Return the outcomes of trials that have all ended, in trial order."""
    lost = {pruning.trial.trial_id: pruning for pruning in pruned}
    observations = []
    for trial in tune:
        history = states[trial.trial_id].history
        pruning = lost.get(trial.trial_id)
        value = history.objective if history.state == "completed" and pruning is None else None
        rungs = {pruning.epoch: pruning.objective} if pruning else {}
        observations.append(Observation(trial.nuisance, value, rungs))
    return tuple(observations)


def _ended(tune: list[PlannedTrial], pruned: list[Pruning], states: States) -> Iterator[Ended]:
    """Yield the trials that were trained to the end, with their objectives at the rungs on the way."""
    lost = {pruning.trial.trial_id for pruning in pruned}
    for trial in tune:
        state = states[trial.trial_id]
        if trial.trial_id in lost or state.history.state != "completed" or state.history.objective is None:
            continue
        rungs = {rung: value for rung, value in state.rungs.items() if value is not None}
        yield Ended(rungs, state.history.objective)


def best_trial(
    plan: StudyPlan, tune: tuple[PlannedTrial, ...], pruned: tuple[Pruning, ...], states: States
) -> PlannedTrial | None:
    """Return the trial that the study's selection rule picks among those trained to the end, or None."""
    rule = BestTrialPerArm(plan.definition.selection.metric, plan.definition.selection.average)
    lost = {pruning.trial.trial_id for pruning in pruned}
    by_id = {trial.trial_id: trial for trial in tune if trial.trial_id not in lost}
    histories = ((trial, states[trial.trial_id].history) for trial in by_id.values())
    chosen = rule.best(
        Candidate(trial.trial_id, trial.index, history.objective)
        for trial, history in histories
        if history.state == "completed" and history.objective is not None
    )
    return by_id[chosen.trial_id] if chosen else None
