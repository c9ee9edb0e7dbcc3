"""The design of one arm: rounds of tune trials, selection among them, and confirm trials for the selected one.

The design is a function of the plan, the rounds drawn and the journals of the arm. It does not depend on the number of
workers, the order in which trials finish, or interruptions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from results.analysis.selection import BestTrialPerArm, Candidate
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan, plan_trial
from study.schedule.halving import Pruning, States, round_progress
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
        pruned: all trials ended by halving.
        selected: the selected tune trial, once there is one.
        failure: why no trial was selected although all tune trials have ended, else empty.
        undrawn: whether values of the current round are still to be drawn, which the driver of the next run does.
    """

    tune: tuple[PlannedTrial, ...]
    confirm: tuple[PlannedTrial, ...]
    ready: tuple[WorkUnit, ...]
    pruned: tuple[Pruning, ...]
    selected: PlannedTrial | None = None
    failure: str = ""
    behind: tuple[WorkUnit, ...] = ()
    undrawn: bool = False

    @property
    def done(self) -> bool:
        """Whether the arm has nothing left to run."""
        return not self.ready and not self.undrawn


class ArmDesign:
    """Determines what to run in one arm. Known rounds are cached, since everything they depend on is final.

    Args:
        plan: the study.
        arm: one of its arms.
        source: the source of the values of its rounds.
    """

    def __init__(self, plan: StudyPlan, arm: PlannedArm, source: Rounds) -> None:
        self._plan = plan
        self._arm = arm
        self._source = source
        self._rounds: list[tuple[PlannedTrial, ...]] = []

    def progress(self, states: States) -> ArmProgress:
        """Return the state of the arm, given the states, by trial id, of at least its own trials."""
        found = self._decided(states)
        behind = _behind(found, states)
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
            here = round_progress(trials, states, self._plan.definition.search.halving)
            pruned += here.pruned
            if here.ready:
                return ArmProgress(tuple(tune), (), here.ready, tuple(pruned))
        return self._confirmation(tuple(tune), tuple(pruned), states)

    def _round_sizes(self) -> list[int]:
        search, total = self._plan.definition.search, self._plan.tune_trials(self._arm)
        return [min(search.round_size, total - start) for start in range(0, total, search.round_size)]

    def _confirmation(self, tune: tuple[PlannedTrial, ...], pruned: tuple[Pruning, ...], states: States) -> ArmProgress:
        selection = self._plan.definition.selection
        selected = _best(BestTrialPerArm(selection.metric, selection.average), tune, pruned, states)
        if selected is None:
            return ArmProgress(tune, (), (), pruned, failure=_why_nothing_was_selected(tune, states))
        confirm = tuple(
            plan_trial(
                self._plan,
                self._arm,
                stage="confirm",
                round_=0,
                index=index,
                nuisance=selected.nuisance,
                train_seed=seed,
            )
            for index, seed in enumerate(self._plan.definition.confirm.seeds)
        )
        ready = round_progress(confirm, states, halving=None).ready
        return ArmProgress(tune, confirm, ready, pruned, selected)


def is_infeasible(arm: ArmProgress, states: States) -> bool:
    """Return whether no tune trial of an arm fits the memory of a GPU, even alone on it."""
    return _infeasible(arm.tune, states) == len(arm.tune)


def _infeasible(trials: tuple[PlannedTrial, ...], states: States) -> int:
    known = (states.get(trial.trial_id) for trial in trials)
    return sum(state is not None and state.history.state == "infeasible" for state in known)


def _why_nothing_was_selected(tune: tuple[PlannedTrial, ...], states: States) -> str:
    infeasible = _infeasible(tune, states)
    if infeasible == len(tune):
        return f"none of its {infeasible} tune trials fits the memory of a GPU, even alone on it"
    reason = f"none of its {len(tune)} tune trials ended with a finite objective"
    return f"{reason}; {infeasible} of them do not fit the memory of a GPU" if infeasible else reason


def _behind(arm: ArmProgress, states: States) -> tuple[WorkUnit, ...]:
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


def _best(
    rule: BestTrialPerArm, tune: tuple[PlannedTrial, ...], pruned: tuple[Pruning, ...], states: States
) -> PlannedTrial | None:
    """Return the trial that the study's selection rule picks among those trained to the end, or None."""
    lost = {pruning.trial.trial_id for pruning in pruned}
    by_id = {trial.trial_id: trial for trial in tune if trial.trial_id not in lost}
    histories = ((trial, states[trial.trial_id].history) for trial in by_id.values())
    chosen = rule.best(
        Candidate(trial.trial_id, trial.index, history.objective)
        for trial, history in histories
        if history.state == "completed" and history.objective is not None
    )
    return by_id[chosen.trial_id] if chosen else None
