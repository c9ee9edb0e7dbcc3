"""Where a run stands: the plan, the rounds drawn, the journals, and which trials the plan asks for given these.

Trials that the study file no longer asks for (other settings, other seeds, values of another sampler) keep their
journals, and are found again when the file asks for them again, but they are no part of the progress or the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from study.journal.history import TrialHistory
from study.journal.state import TrialState, read_states
from study.layout import RunFolder
from study.plan.document import read_plan
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan
from study.schedule.design import ArmDesign, ArmProgress
from study.schedule.halving import Pruning
from study.schedule.rounds import Rounds, read_rounds


@dataclass(frozen=True)
class TrialProgress:
    """One trial that the plan asks for: its journal, if it has one, and where halving ended it, if it did."""

    arm: PlannedArm
    trial: PlannedTrial
    history: TrialHistory | None
    pruning: Pruning | None

    @property
    def state(self) -> str:
        """``completed``, ``pruned``, ``diverged``, ``failed``, ``running``, ``paused`` or ``waiting``."""
        if self.pruning is not None:
            return "pruned"
        if self.history is None:
            return "waiting"
        return "waiting" if self.history.state == "pruned" else self.history.state

    @property
    def is_done(self) -> bool:
        """Whether the trial needs no more work: it completed, was pruned, or diverged and would again."""
        return self.state in ("completed", "pruned", "diverged") and not self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether the journal has lost records of epochs that were done; the next run puts them back."""
        return self.history is not None and not self.history.has_epochs(self.epochs_run)

    @property
    def epochs_run(self) -> int:
        """Epochs that count: those until halving ended the trial, else all that were done."""
        if self.pruning is not None:
            return self.pruning.epoch
        return self.history.epoch if self.history is not None else 0

    @property
    def objective(self) -> float | None:
        """The objective at the last epoch that counts; None when not evaluated yet or not finite."""
        if self.pruning is not None:
            return self.pruning.objective
        return self.history.objective if self.history is not None else None


@dataclass(frozen=True)
class RunProgress:
    """All arms of a plan in its order, each with where it stands, and all trials that are known so far."""

    plan: StudyPlan
    arms: tuple[tuple[PlannedArm, ArmProgress], ...]
    trials: tuple[TrialProgress, ...]

    @property
    def done(self) -> int:
        """Trials that need no more work."""
        return sum(trial.is_done for trial in self.trials)

    @property
    def failed(self) -> int:
        """Trials whose last attempt failed and that would be tried again."""
        return sum(trial.state == "failed" for trial in self.trials)

    @property
    def total(self) -> int:
        """All trials, those not sampled yet included, and without confirm trials that cannot come."""
        return sum(tune_total(self.plan, *arm) + confirm_total(self.plan, arm[1]) for arm in self.arms)

    def trials_of(self, arm: PlannedArm) -> list[TrialProgress]:
        """Return the trials of one arm that are known so far."""
        return [trial for trial in self.trials if trial.arm.arm.arm_id == arm.arm.arm_id]

    def with_histories(self, histories: Mapping[str, TrialHistory]) -> RunProgress:
        """Return the same with newer journals of some trials, by trial id, that have not ended since."""
        trials = tuple(
            replace(trial, history=histories.get(trial.trial.trial_id, trial.history)) for trial in self.trials
        )
        return replace(self, trials=trials)


def tune_total(plan: StudyPlan, arm: PlannedArm, progress: ArmProgress) -> int:
    """Return how many tune trials the arm has in the end."""
    return len(progress.tune) if progress.selected or progress.failure else plan.tune_trials(arm)


def confirm_total(plan: StudyPlan, progress: ArmProgress) -> int:
    """Return how many confirm trials the arm has in the end; none where there was nothing to choose from."""
    return 0 if progress.failure else len(plan.definition.confirm.seeds)


def progress_of(plan: StudyPlan, states: Mapping[str, TrialState], rounds: Rounds) -> RunProgress:
    """Return where a run stands; a pure function of the plan, the journals and the rounds drawn."""
    return assembled(plan, tuple((arm, ArmDesign(plan, arm, rounds).progress(states)) for arm in plan.arms), states)


def assembled(
    plan: StudyPlan, arms: tuple[tuple[PlannedArm, ArmProgress], ...], states: Mapping[str, TrialState]
) -> RunProgress:
    """Return where a run stands, given where its arms stand by the same states."""
    trials = tuple(trial for arm, progress in arms for trial in _trials(arm, progress, states))
    return RunProgress(plan, arms, trials)


def read_progress(folder: RunFolder, plan: StudyPlan | None = None) -> RunProgress:
    """Return where the run in a folder stands: by its own plan, or by that of another edition of its study.

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
