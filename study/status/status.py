"""What a run has done, what runs, what failed and why, and how long the rest may take; from the journals alone."""

from __future__ import annotations

from dataclasses import dataclass

from study.html import html_table
from study.journal.failures import signature
from study.journal.history import WITHOUT_RESULT
from study.plan.cost import concurrent_trials
from study.retention.space import RunSpace
from study.run_folder.driver import Driver
from study.schedule.progress import ArmState, RunProgress, TrialProgress, confirm_total, tune_total
from study.status.remaining import seconds_left
from study.status.sums import ArmSums, arm_sums

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
    ``space``: what the run takes of its disk, and still needs.
    ``to_propose``: trials of which a sampler has not chosen the arm yet; they are a part of ``total``.
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
    space: RunSpace | None = None
    to_propose: int = 0

    @property
    def done(self) -> int:
        """Trials that need no more work."""
        return sum(arm.tune_done + arm.confirm_done for arm in self.arms)

    @property
    def total(self) -> int:
        """All trials, those not sampled yet included."""
        return self.to_propose + sum(arm.tune_total + arm.confirm_total for arm in self.arms)

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
    sums = [arm_sums(state) for state in progress.states]
    begun = tuple(_running(trial, now) for arm in sums for trial in arm.running)
    running, interrupted = ((), begun) if driver == "gone" else (begun, ())
    definition = progress.plan.definition
    return StudyStatus(
        name=definition.name,
        objective=definition.selection.in_words(),
        arms=tuple(_arm(progress, state, arm, driver) for state, arm in zip(progress.states, sums, strict=True)),
        running=running,
        interrupted=interrupted,
        failed=tuple(_failed(trial) for arm in sums for trial in arm.without_success),
        torn_lines=sum(arm.torn for arm in sums),
        behind=sum(arm.behind for arm in sums),
        done_last_hour=sum(now - end <= _RECENT_S for arm in sums for end in arm.ended),
        seconds_left=seconds_left(progress, workers or _workers(progress, running), now),
        results_version=progress.plan.results_version,
        to_propose=progress.to_propose,
    )


def _workers(progress: RunProgress, running: tuple[RunningTrial, ...]) -> int:
    return sum(not trial.stalled for trial in running) or concurrent_trials(progress.plan.definition)


def _arm(progress: RunProgress, state: ArmState, sums: ArmSums, driver: Driver) -> ArmStatus:
    begun = len(sums.running)
    return ArmStatus(
        arm_id=state.arm.arm.arm_id,
        name=state.arm.arm.name,
        tune_done=sums.tune_done,
        tune_total=tune_total(progress.plan, state.arm, state.progress),
        confirm_done=sums.confirm_done,
        confirm_total=confirm_total(progress.plan, state.progress),
        pruned=sums.pruned,
        running=0 if driver == "gone" else begun,
        interrupted=begun if driver == "gone" else 0,
        paused=sums.paused,
        failed=sums.failed,
        objective=sums.objective,
        problem=state.progress.failure,
    )


def _running(progress: TrialProgress, now: float) -> RunningTrial:
    history, trial = progress.history, progress.trial
    if history is None:
        raise AssertionError("a running trial has a journal")
    age = now - history.updated
    longest = max(history.epochs.values(), default=None)
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
