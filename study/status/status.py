"""What a run has done, what runs, what failed and why, and how long the rest may take; from the journals alone."""

from __future__ import annotations

from dataclasses import dataclass

from study.html import html_table
from study.journal.failures import signature
from study.journal.history import WITHOUT_RESULT
from study.plan.cost import concurrent_trials
from study.plan.plan import PlannedArm
from study.run_folder.driver import Driver
from study.schedule.design import ArmProgress
from study.schedule.progress import RunProgress, TrialProgress, confirm_total, tune_total
from study.status.remaining import seconds_left

QUIET_S = 60.0
"""A journal this quiet for this long is suspect, unless its epochs take longer."""

_QUIET_BEFORE_FIRST_EPOCH_S = 300.0
_EPOCHS_OF_PATIENCE = 5
_RECENT_S = 3600.0


@dataclass(frozen=True)
class RunningTrial:
    """A trial with a start and no end. ``stalled``: its journal has been quiet too long to believe in its worker."""

    trial_id: str
    arm: str
    stage: str
    index: int
    epoch: int
    epochs: int
    age_s: float
    stalled: bool


@dataclass(frozen=True)
class FailedTrial:
    """A trial whose last attempt failed. ``final``: it diverged or is infeasible; the others are retried by ``run``.

    ``signature`` is the same for failures of the same cause, see ``study.journal.failures``.
    """

    trial_id: str
    arm: str
    stage: str
    kind: str
    message: str
    attempts: int
    final: bool
    signature: str


@dataclass(frozen=True)
class ArmStatus:
    """The trials of one arm. ``problem``: why it has no confirm trials although all its tune trials have ended."""

    arm_id: str
    name: str
    tune_done: int
    tune_total: int
    confirm_done: int
    confirm_total: int
    pruned: int
    running: int
    interrupted: int
    paused: int
    failed: int
    objective: float | None
    problem: str

    @property
    def waiting(self) -> int:
        """Trials neither begun nor ended, those not sampled yet included."""
        done = self.tune_done + self.confirm_done
        begun = self.running + self.interrupted + self.paused + self.failed
        return self.tune_total + self.confirm_total - done - begun


@dataclass(frozen=True)
class StudyStatus:
    """The whole run. ``done`` counts trials that have ended for good: nothing is left to do for them.

    ``objective`` says what the arms' objectives are; ``interrupted`` are trials that were running when their driver
    ended; ``done_last_hour`` is a part of ``done``.
    ``notes``: what is to be known beside the numbers, such as trials of an older ``results_version``.
    ``behind``: trials that ended and whose journals have lost records since; they are not done.
    """

    name: str
    objective: str
    arms: tuple[ArmStatus, ...]
    running: tuple[RunningTrial, ...]
    interrupted: tuple[RunningTrial, ...]
    failed: tuple[FailedTrial, ...]
    torn_lines: int
    behind: int
    done_last_hour: int
    seconds_left: float | None
    results_version: int
    notes: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """Trials that need no more work."""
        return sum(arm.tune_done + arm.confirm_done for arm in self.arms)

    @property
    def total(self) -> int:
        """All trials, those not sampled yet included."""
        return sum(arm.tune_total + arm.confirm_total for arm in self.arms)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return self.done == self.total

    def __repr__(self) -> str:
        """Return one line."""
        running = f", {len(self.running)} running" if self.running else ""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        notes = f"; notes: {' | '.join(self.notes)}" if self.notes else ""
        return f"<status of {self.name}: {self.done} of {self.total} trials done{running}{failed}{notes}>"

    def _repr_html_(self) -> str:
        rows = [
            {
                "arm": arm.name,
                "tune": f"{arm.tune_done}/{arm.tune_total}",
                "confirm": f"{arm.confirm_done}/{arm.confirm_total}",
                "running": str(arm.running),
                "waiting": str(arm.waiting),
                "failed": str(arm.failed),
                self.objective: "" if arm.objective is None else f"{arm.objective:.4f}",
            }
            for arm in self.arms
        ]
        failures = (f"failed: {trial.arm} {trial.stage}: {trial.kind}: {trial.message}" for trial in self.failed)
        return html_table(rows, f"{self.name}: {self.done} of {self.total} trials done", (*failures, *self.notes))


def study_status(
    progress: RunProgress, now: float, driver: Driver = "unknown", workers: int | None = None
) -> StudyStatus:
    """Return the status of a run.

    Args:
        progress: where it stands.
        now: unix seconds.
        driver: nothing runs where it is gone.
        workers: trials at once; None takes as many as are running, and as would fit on this machine when none is.
    """
    begun = tuple(_running(trial, now) for trial in progress.trials if trial.state == "running")
    histories = [trial.history for trial in progress.trials if trial.history is not None]
    ends = [trial.history.updated for trial in progress.trials if trial.history is not None and trial.is_done]
    running, interrupted = ((), begun) if driver == "gone" else (begun, ())
    definition = progress.plan.definition
    return StudyStatus(
        name=definition.name,
        objective=f"validation {definition.selection.metric}".replace("_", " "),
        arms=tuple(_arm(progress, arm, state, driver) for arm, state in progress.arms),
        running=running,
        interrupted=interrupted,
        failed=tuple(_failed(trial) for trial in progress.trials if trial.state in ("failed", *WITHOUT_RESULT)),
        torn_lines=sum(history.torn for history in histories),
        behind=sum(trial.has_ended and trial.is_behind for trial in progress.trials),
        done_last_hour=sum(now - end <= _RECENT_S for end in ends),
        seconds_left=seconds_left(progress, workers or _workers(progress, running), now),
        results_version=progress.plan.results_version,
    )


def _workers(progress: RunProgress, running: tuple[RunningTrial, ...]) -> int:
    return sum(not trial.stalled for trial in running) or concurrent_trials(progress.plan.definition)


def _arm(progress: RunProgress, arm: PlannedArm, state: ArmProgress, driver: Driver) -> ArmStatus:
    trials = progress.trials_of(arm)
    tune = [trial for trial in trials if trial.trial.stage == "tune"]
    confirm = [trial for trial in trials if trial.trial.stage == "confirm"]
    states = [trial.state for trial in trials]
    begun = states.count("running")
    objectives = [t.objective for t in tune if t.state == "completed" and t.objective is not None]
    return ArmStatus(
        arm_id=arm.arm.arm_id,
        name=arm.arm.name,
        tune_done=sum(trial.is_done for trial in tune),
        tune_total=tune_total(progress.plan, arm, state),
        confirm_done=sum(trial.is_done for trial in confirm),
        confirm_total=confirm_total(progress.plan, state),
        pruned=states.count("pruned"),
        running=0 if driver == "gone" else begun,
        interrupted=begun if driver == "gone" else 0,
        paused=states.count("paused"),
        failed=states.count("failed"),
        objective=max(objectives, default=None),
        problem=state.failure,
    )


def _running(progress: TrialProgress, now: float) -> RunningTrial:
    history, trial = progress.history, progress.trial
    if history is None:
        raise AssertionError("a running trial has a journal")
    age = now - history.updated
    longest = max((record["seconds"] for record in history.epochs.values()), default=None)
    patience = _QUIET_BEFORE_FIRST_EPOCH_S if longest is None else max(QUIET_S, _EPOCHS_OF_PATIENCE * longest)
    return RunningTrial(
        trial_id=trial.trial_id,
        arm=trial.arm.name,
        stage=trial.stage,
        index=trial.index,
        epoch=history.epoch,
        epochs=trial.config.optimization.epochs,
        age_s=age,
        stalled=age > patience,
    )


def _failed(progress: TrialProgress) -> FailedTrial:
    history, trial = progress.history, progress.trial
    last = history.failures[-1] if history and history.failures else {"kind": "crashed", "message": ""}
    return FailedTrial(
        trial_id=trial.trial_id,
        arm=trial.arm.name,
        stage=trial.stage,
        kind=last["kind"],
        message=" ".join(str(last["message"]).split()),
        attempts=history.attempts if history else 0,
        final=progress.state in WITHOUT_RESULT,
        signature=signature(last),
    )
