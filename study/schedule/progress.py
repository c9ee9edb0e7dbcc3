"""The progress of a run: the trials that the plan requires, given the rounds drawn and the journals, and their states.

Trials that the study file no longer requires (other settings, other seeds, values from another sampler) keep their
journals and are reused if the file requires them again, but they do not appear in the progress or the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from study.journal.history import WITHOUT_RESULT, TrialHistory
from study.journal.state import TrialState, read_states
from study.layout import RunFolder
from study.plan.document import read_plan
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan
from study.schedule.design import ArmDesign, ArmProgress
from study.schedule.halving import Pruning
from study.schedule.rounds import Rounds, read_rounds


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class RunProgress:
    """The state of all arms, in plan order, and all trials known so far."""

    plan: StudyPlan
    arms: tuple[tuple[PlannedArm, ArmProgress], ...]
    trials: tuple[TrialProgress, ...]

    @property
    def done(self) -> int:
        """Number of trials that need no more work."""
        return sum(trial.is_done for trial in self.trials)

    @property
    def failed(self) -> int:
        """Number of trials whose last attempt failed and that would be retried."""
        return sum(trial.state == "failed" for trial in self.trials)

    @property
    def infeasible(self) -> tuple[TrialProgress, ...]:
        """The trials that do not fit the memory of a GPU, even alone on it."""
        return tuple(trial for trial in self.trials if trial.state == "infeasible")

    @property
    def total(self) -> int:
        """Number of all trials, including those not sampled yet.

        Arms in which no tune trial could be selected have no confirm trials.
        """
        return sum(tune_total(self.plan, *arm) + confirm_total(self.plan, arm[1]) for arm in self.arms)

    def trials_of(self, arm: PlannedArm) -> list[TrialProgress]:
        """Return the trials of one arm known so far."""
        return [trial for trial in self.trials if trial.arm.arm.arm_id == arm.arm.arm_id]

    def with_histories(self, histories: Mapping[str, TrialHistory]) -> RunProgress:
        """Return a copy with newer histories, by trial id, of some trials that are still in flight."""
        trials = tuple(
            replace(trial, history=histories.get(trial.trial.trial_id, trial.history)) for trial in self.trials
        )
        return replace(self, trials=trials)


def tune_total(plan: StudyPlan, arm: PlannedArm, progress: ArmProgress) -> int:
    """Return the final number of tune trials of the arm."""
    return len(progress.tune) if progress.selected or progress.failure else plan.tune_trials(arm)


def confirm_total(plan: StudyPlan, progress: ArmProgress) -> int:
    """Return the final number of confirm trials of the arm; 0 if no tune trial could be selected."""
    return 0 if progress.failure else len(plan.definition.confirm.seeds)


def progress_of(plan: StudyPlan, states: Mapping[str, TrialState], rounds: Rounds) -> RunProgress:
    """Return the progress of a run; a function of the plan, the journals and the rounds drawn."""
    return assembled(plan, tuple((arm, ArmDesign(plan, arm, rounds).progress(states)) for arm in plan.arms), states)


def assembled(
    plan: StudyPlan, arms: tuple[tuple[PlannedArm, ArmProgress], ...], states: Mapping[str, TrialState]
) -> RunProgress:
    """Return the progress of a run, given the progress of its arms, derived from the same states."""
    trials = tuple(trial for arm, progress in arms for trial in _trials(arm, progress, states))
    return RunProgress(plan, arms, trials)


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
