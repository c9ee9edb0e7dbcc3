"""The progress of a run: the trials that the plan requires, given the rounds drawn and the journals, and their states.

Trials that the study file no longer requires (other settings, other seeds, values from another sampler) keep their
journals and are reused if the file requires them again, but they do not appear in the progress or the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from study.journal.history import WITHOUT_RESULT, TrialHistory
from study.journal.index import read_states
from study.journal.state import TrialState
from study.layout import RunFolder
from study.plan.document import read_plan
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan
from study.schedule.design import ArmProgress
from study.schedule.pruning.halving import Pruning
from study.schedule.rounds import Rounds, read_rounds
from study.schedule.study_design import study_design


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """One trial that the plan requires: its history, if it has a journal, and its pruning, if halving ended it."""

    arm: PlannedArm
    trial: PlannedTrial
    history: TrialHistory | None
    pruning: Pruning | None

    @property
    def state(self) -> str:
        """The state of its history; ``pruned`` where halving ended it, ``waiting`` where nothing has begun."""
        if self.pruning is not None:
            return "pruned"
        if self.history is None:
            return "waiting"
        return "waiting" if self.history.state == "pruned" else self.history.state

    @property
    def is_done(self) -> bool:
        """Whether the trial needs no more work."""
        return self.has_ended and not self.is_behind

    @property
    def has_ended(self) -> bool:
        """Whether its end is known: it completed, was pruned, or would diverge or be infeasible again."""
        return self.state in ("completed", "pruned", *WITHOUT_RESULT)

    @property
    def is_behind(self) -> bool:
        """Whether the journal has lost records of completed epochs; the next run restores them."""
        return self.history is not None and not self.history.has_epochs(self.epochs_run)

    @property
    def epochs_run(self) -> int:
        """Number of epochs that count: up to the epoch at which halving ended the trial, else all completed epochs."""
        if self.pruning is not None:
            return self.pruning.epoch
        return self.history.epoch if self.history is not None else 0

    @property
    def objective(self) -> float | None:
        """The objective at the last epoch that counts; None if not evaluated yet or not finite."""
        if self.pruning is not None:
            return self.pruning.objective
        return self.history.objective if self.history is not None else None


@dataclass(frozen=True, eq=False)
class ArmState:
    """An arm and its trials known so far. Sums over them are computed once, so unchanged arms cost nothing."""

    arm: PlannedArm
    progress: ArmProgress
    trials: tuple[TrialProgress, ...]

    @cached_property
    def done(self) -> int:
        """Number of trials that need no more work."""
        return sum(trial.is_done for trial in self.trials)

    @cached_property
    def failed(self) -> int:
        """Number of trials whose last attempt failed and that would be retried."""
        return sum(trial.state == "failed" for trial in self.trials)

    def with_histories(self, histories: Mapping[str, TrialHistory]) -> ArmState:
        """Return a copy with newer histories by trial id; this very state if none of them is of its trials."""
        if not any(trial.trial.trial_id in histories for trial in self.trials):
            return self
        trials = (replace(trial, history=histories.get(trial.trial.trial_id, trial.history)) for trial in self.trials)
        return replace(self, trials=tuple(trials))

    def with_end_of(self, trial: PlannedTrial, progress: ArmProgress, history: TrialHistory) -> ArmState | None:
        """Return the state once a unit of a trial has ended and nothing was decided; None if it must be derived anew.

        The sums follow from the present ones, so that the cost does not grow with the number of trials.

        Args:
            trial: the trial.
            progress: of the arm, now; its trials and prunings are as before.
            history: of the trial, now.
        """
        place = trial.index + (len(progress.tune) if trial.stage == "confirm" else 0)
        before = self.trials[place] if place < len(self.trials) else None
        if before is None or before.trial.trial_id != trial.trial_id:
            return None
        after = replace(before, history=history)
        found = ArmState(self.arm, progress, (*self.trials[:place], after, *self.trials[place + 1 :]))
        vars(found).update(
            done=self.done + after.is_done - before.is_done,
            failed=self.failed + (after.state == "failed") - (before.state == "failed"),
        )
        return found


@dataclass(frozen=True)
class RunProgress:
    """The state of all arms, in plan order, and the number of trials whose arms are not known yet."""

    plan: StudyPlan
    states: tuple[ArmState, ...]
    to_propose: int = 0

    @cached_property
    def arms(self) -> tuple[tuple[PlannedArm, ArmProgress], ...]:
        """Every arm with its progress."""
        return tuple((state.arm, state.progress) for state in self.states)

    @cached_property
    def trials(self) -> tuple[TrialProgress, ...]:
        """All trials known so far."""
        return tuple(trial for state in self.states for trial in state.trials)

    @property
    def done(self) -> int:
        """Number of trials that need no more work."""
        return sum(state.done for state in self.states)

    @property
    def failed(self) -> int:
        """Number of trials whose last attempt failed and that would be retried."""
        return sum(state.failed for state in self.states)

    @property
    def infeasible(self) -> tuple[TrialProgress, ...]:
        """The trials that can never finish here."""
        return tuple(trial for trial in self.trials if trial.state == "infeasible")

    @property
    def total(self) -> int:
        """Number of all trials, including those not sampled yet.

        Arms in which no tune trial could be selected have no confirm trials.
        """
        return self.to_propose + sum(
            tune_total(self.plan, state.arm, state.progress) + confirm_total(self.plan, state.progress)
            for state in self.states
        )

    def with_histories(self, histories: Mapping[str, TrialHistory]) -> RunProgress:
        """Return a copy with newer histories, by trial id, of some trials that are still in flight."""
        return replace(self, states=tuple(state.with_histories(histories) for state in self.states))


def tune_total(plan: StudyPlan, arm: PlannedArm, progress: ArmProgress) -> int:
    """Return the final number of tune trials of the arm."""
    known = progress.as_known or progress.selected or progress.failure
    return len(progress.tune) if known else plan.tune_trials(arm)


def confirm_total(plan: StudyPlan, progress: ArmProgress) -> int:
    """Return the final number of confirm trials of the arm; 0 if no tune trial could be selected."""
    if progress.as_known:
        return len(progress.confirm)
    return 0 if progress.failure else len(plan.definition.confirm.seeds)


def progress_of(plan: StudyPlan, states: Mapping[str, TrialState], rounds: Rounds) -> RunProgress:
    """Return the progress of a run; a function of the plan, the journals and the rounds drawn."""
    design = study_design(plan, rounds)
    found = design.progress(states)
    return run_progress(plan, (arm_state(arm, found[arm.arm.arm_id], states) for arm in plan.arms), design.to_propose)


def run_progress(plan: StudyPlan, arms: Iterable[ArmState], to_propose: int) -> RunProgress:
    """Return the progress of a run from the state of all arms; in the mode ``explore`` of those proposed so far."""
    states = tuple(arms)
    if plan.definition.search.mode == "explore":
        states = tuple(state for state in states if state.trials) or states[:1]
        plan = replace(plan, arms=tuple(state.arm for state in states))
    return RunProgress(plan, states, to_propose)


def arm_state(arm: PlannedArm, progress: ArmProgress, states: Mapping[str, TrialState]) -> ArmState:
    """Return the state of an arm, given its progress, derived from the same states."""
    return ArmState(arm, progress, tuple(_trials(arm, progress, states)))


def read_progress(folder: RunFolder, plan: StudyPlan | None = None) -> RunProgress:
    """Return the progress of the run in a folder, under its own plan or that of another edition of its study.

    Raises:
        UserError: the folder holds no plan.
    """
    return progress_of(plan or read_plan(folder), read_states(folder), read_rounds(folder))


def _trials(arm: PlannedArm, progress: ArmProgress, states: Mapping[str, TrialState]) -> list[TrialProgress]:
    prunings = {pruning.trial.trial_id: pruning for pruning in progress.pruned}
    found = []
    for trial in (*progress.tune, *progress.confirm):
        state = states.get(trial.trial_id)
        history = state.history if state is not None else None
        found.append(TrialProgress(arm, trial, history, prunings.get(trial.trial_id)))
    return found
