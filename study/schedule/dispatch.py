"""Decides which unit to run next. Keeps all trial states in memory and rereads a journal when its trial's unit ends.

An event costs what its own arm costs: all that is asked of the other arms is kept from the time they last changed. The
order of units affects when a study finishes, never its results. Does not use Ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from study.errors import UserError
from study.journal.events import Event
from study.journal.index import read_and_note
from study.journal.state import TrialState
from study.layout import RunFolder
from study.plan.plan import PlannedArm, StudyPlan
from study.schedule.design import ArmProgress
from study.schedule.drawing import DrawnRounds
from study.schedule.failures.equal_failures import EqualFailures
from study.schedule.failures.lost_worker import End, Loss, LostWorkers
from study.schedule.failures.tries import Tries
from study.schedule.fusing import fused_units
from study.schedule.progress import ArmState, arm_state, confirm_total, run_progress, tune_total
from study.schedule.pruning.asynchronous import decisions, next_step
from study.schedule.pruning.halving import Pruning
from study.schedule.pruning.recording import record_decision, record_pruning
from study.schedule.settling import at_rung, decided, epochs_left, epochs_to_go, settled
from study.schedule.study_design import study_design
from study.schedule.unit_queue import UnitQueue
from study.schedule.units import Reservations, Resources, WorkUnit
from study.schedule.workload import Workload
from study.store.working_copy import copy_of


@dataclass(frozen=True)
class _Arm:
    planned: PlannedArm
    weight: float  # multiply-adds per image


class Dispatcher:
    """Hands out units that may run now, records those that ended, and draws rounds as they are needed.

    The caller must hold the lock of the run folder, so that the record of rounds has a single writer.
    """

    def __init__(self, plan: StudyPlan, folder: RunFolder, states: dict[str, TrialState]) -> None:
        self._plan = plan
        self._definition = plan.definition
        self._folder = folder
        self._states = dict(states)
        self._design = study_design(plan, DrawnRounds(folder))
        self._arms = {arm.arm.arm_id: _Arm(arm, float(arm.storage.total.multiply_adds_per_image)) for arm in plan.arms}
        self.reservations = Reservations(plan)
        resources = plan.definition.resources
        self._tries = Tries(resources.retries_of)
        self._equal_failures = EqualFailures(resources.retries_of)
        self._lost_workers = LostWorkers(folder, plan.definition.name, resources.hang_after_s)
        self._in_flight: dict[str, WorkUnit] = {}
        self._journals: dict[str, Path] = {}  # of the trials in flight
        self._units_in_flight = 0
        self._machine_is_taken = False
        self._progress: dict[str, ArmProgress] = {}
        self._reported: dict[str, ArmState | None] = {}  # None: has changed since
        self._queue = UnitQueue(self._arms)
        self._epochs_left: dict[str, int] = {}
        halving = self._definition.search.halving
        self._arms_stand_alone = self._definition.search.mode == "design"
        self._is_asynchronous = halving is not None and halving.mode == "asynchronous"
        for arm_id, progress in self._design.progress(self._states).items():
            self._take(arm_id, self._decided(arm_id, progress))
            self._enqueue(arm_id)

    def resources(self, unit: WorkUnit) -> Resources:
        """Return what a unit reserves on one node."""
        return self.reservations.of(unit)

    @property
    def states(self) -> dict[str, TrialState]:
        """The state of every trial that has a journal, by trial id."""
        return self._states

    @property
    def arms(self) -> dict[str, ArmProgress]:
        """The state of every arm, by arm id."""
        return self._progress

    @property
    def stopped(self) -> dict[str, Event]:
        """The failure of every arm that this run has stopped, by arm id; see ``EqualFailures``."""
        stopped = self._equal_failures.stopped()
        return {arm_id: failure for arm_id, failure in stopped.items() if self._progress[arm_id].ready}

    @property
    def in_flight(self) -> int:
        """Number of units handed out that have not ended."""
        return self._units_in_flight

    @property
    def exhausted(self) -> bool:
        """Whether no unit is running and none can be handed out: each is done, has failed too often, or is stopped."""
        return not self._in_flight and self._queue.is_empty

    def next_unit(self) -> WorkUnit | None:
        """Hand out a unit, or None if none may run now.

        The arm with the most work left comes first, since its sequential rounds determine when the study ends; ties
        follow the order of arms in the study file, then that of trials. Units that need a whole GPU or node come last,
        since others that share one would have to end first; trials likely to fail again come after all others. Where
        no node can be reserved, a unit that must be alone on one waits for all that run, and they for it.
        """
        if self._machine_is_taken:
            return None
        while (unit := self._queue.take()) is not None:
            if self.reservations.must_be_the_only_unit(unit) and self._in_flight:
                self._enqueue(unit.trial.arm.arm_id)
                return None
            if not any(trial.trial_id in self._in_flight for trial in unit.trials):  # one trial may be drawn twice
                self._hand_out(unit)
                return unit
        return None

    def _hand_out(self, unit: WorkUnit) -> None:
        self._units_in_flight += 1
        self._machine_is_taken = self.reservations.must_be_the_only_unit(unit)
        for trial in unit.trials:
            self._in_flight[trial.trial_id] = unit
            self._journals[trial.trial_id] = self._folder.trial(trial.trial_id).journal
        if unit.slots:  # its trials may be in other units of the arm, too
            self._enqueue(unit.trial.arm.arm_id)

    def given_back(self, unit: WorkUnit) -> None:
        """Take back a unit that no worker has begun."""
        self._landed(unit)
        self._enqueue(unit.trial.arm.arm_id)

    def _landed(self, unit: WorkUnit) -> None:
        for trial in unit.trials:
            del self._in_flight[trial.trial_id], self._journals[trial.trial_id]
        self._units_in_flight -= 1
        self._machine_is_taken = False

    def ended(self, unit: WorkUnit, *, crashed: bool, loss: Loss | None = None) -> TrialState | None:
        """Record that a unit has ended, reread its journals, and prune the trials that halving eliminates.

        Args:
            unit: as handed out.
            crashed: whether its worker ended or raised an error.
            loss: what is known of the end of a worker that journalled nothing.

        Returns:
            The state of the unit's first trial.

        Raises:
            UserError: a trial failed on a full disk, which would also fail the others.
        """
        arm_id, trials = unit.trial.arm.arm_id, unit.trials
        before = self._states.get(unit.trial.trial_id)
        found = [self._read_again(trial.trial_id) for trial in trials]
        if crashed:
            found = self._lost_workers.complete(unit, self._states, found, End(loss, self.resources(unit).gpus))
        self._landed(unit)
        self._states.update({trial.trial_id: state for trial, state in zip(trials, found, strict=True) if state})
        if not crashed and self._is_settled(unit, before, found[0]):
            return found[0]
        self._look_again(arm_id)
        ready = {(each.trial.trial_id, each.until_epoch, each.alone) for each in self._progress[arm_id].ready}
        failed: dict[str, Event] = {}
        for trial, state in zip(trials, found, strict=True):
            if state is not None and state.history.was_sent_alone:
                continue  # tried once more, alone, or known to be in vain: neither uses up a try nor speaks of the code
            if (trial.trial_id, unit.until_epoch, unit.alone) not in ready:
                self._equal_failures.ended_well(arm_id)
                continue
            failure = state.history.failures[-1] if state is not None and state.history.state == "failed" else None
            self._tries.ended_in_vain(trial.trial_id, failure["kind"] if failure else "")
            if failure and failure["kind"] != "lost":  # a lost node says nothing about an arm
                failed[trial.trial_id] = failure
        self._note_failure(arm_id, failed)
        self._enqueue(arm_id)
        self._queue.bar(self._equal_failures.stopped().keys())
        return found[0]

    def _is_settled(self, unit: WorkUnit, before: TrialState | None, state: TrialState | None) -> bool:
        """Take the end of a unit that changes nothing for other trials; return whether it is such a one."""
        arm_id, epochs = unit.trial.arm.arm_id, self._definition.optimization.epochs
        if not self._arms_stand_alone:
            return False
        if self._is_asynchronous and unit.until_epoch is not None:
            return self._is_decided(unit, state)
        progress = settled(self._progress[arm_id], unit, state)
        if progress is None or state is None:
            return False
        if (reported := self._reported[arm_id]) is not None:
            self._reported[arm_id] = reported.with_end_of(unit.trial, progress, state.history)
        self._progress[arm_id] = progress
        self._epochs_left[arm_id] -= epochs_to_go(before, epochs) - epochs_to_go(state, epochs)
        self._queue.note_left(arm_id, self._work_left(arm_id))
        self._note_good_end(arm_id)
        return True

    def _is_decided(self, unit: WorkUnit, state: TrialState | None) -> bool:
        """Decide on a trial that stands at a rung of asynchronous halving; return whether that settles the event."""
        arm_id, halving = unit.trial.arm.arm_id, self._definition.search.halving
        at = at_rung(self._progress[arm_id], unit, state)
        if at is None or halving is None:
            return False
        for decision in decisions([at], self._progress[arm_id].tune, self._states, halving.keep):
            self._note(decision.at.trial.trial_id, record_decision(self._folder, decision))
        step = next_step(unit.trial, self._states, halving.rungs)
        progress = decided(self._progress[arm_id], unit, step) if isinstance(step, WorkUnit | Pruning) else None
        if progress is None:
            return False
        self._take(arm_id, progress)
        self._enqueue(arm_id)
        self._note_good_end(arm_id)
        return True

    def _note_good_end(self, arm_id: str) -> None:
        self._equal_failures.ended_well(arm_id)
        self._queue.bar(self._equal_failures.stopped().keys())

    def _read_again(self, trial_id: str) -> TrialState | None:
        journal = self._folder.trial(trial_id).journal
        if copy := copy_of(journal):
            copy.fetch_journal(journal.relative_to(copy.path).as_posix())
        return read_and_note(self._folder, trial_id)

    def _note_failure(self, arm_id: str, failed: Mapping[str, Event]) -> None:
        """Take note of a unit's failure, by trial id; trials of one unit fail together, which counts once."""
        for failure in failed.values():
            if failure["kind"] == "disk_full":
                raise UserError(f"{failure['host']}: {failure['message']}")
        for trial_id, failure in list(failed.items())[:1]:
            self._equal_failures.failed(arm_id, trial_id, failure)

    def workload(self) -> Workload:
        """Return the state of the run and the trials in flight."""
        for arm_id, reported in self._reported.items():
            if reported is None:
                arm = self._arms[arm_id].planned
                self._reported[arm_id] = arm_state(arm, self._progress[arm_id], self._states)
        states = tuple(state for state in self._reported.values() if state is not None)
        return Workload(run_progress(self._plan, states, self._design.to_propose), dict(self._journals))

    def _enqueue(self, arm_id: str) -> None:
        arm, epochs = self._progress[arm_id], self._definition.optimization.epochs
        units = fused_units(filter(self._may_run, arm.ready), self._definition.search.round_size)
        doubtful = self._equal_failures.would_fail_again(arm_id)
        self._epochs_left[arm_id] = epochs_left(arm, self._states, epochs)
        self._queue.put(arm_id, units, self._work_left(arm_id), doubtful=doubtful)

    def _may_run(self, unit: WorkUnit) -> bool:
        trial_id = unit.trial.trial_id
        return trial_id not in self._in_flight and self._tries.left(trial_id)

    def _look_again(self, arm_id: str) -> None:
        for concerned, progress in self._design.changed(arm_id, self._states).items():
            self._take(concerned, self._decided(concerned, progress))
            if concerned != arm_id:
                self._enqueue(concerned)

    def _decided(self, arm_id: str, progress: ArmProgress) -> ArmProgress:
        """Return the progress of an arm once all decisions of asynchronous halving are taken and recorded."""
        halving = self._definition.search.halving
        while progress.undecided and halving is not None:
            for decision in decisions(progress.undecided, progress.tune, self._states, halving.keep):
                self._note(decision.at.trial.trial_id, record_decision(self._folder, decision))
            progress = self._design.changed(arm_id, self._states)[arm_id]
        return progress

    def _take(self, arm_id: str, progress: ArmProgress) -> None:
        self._progress[arm_id] = progress
        self._reported[arm_id] = None
        for pruning in self._progress[arm_id].pruned:
            if self._states[pruning.trial.trial_id].history.state == "paused":
                self._note(pruning.trial.trial_id, record_pruning(self._folder, pruning))

    def _note(self, trial_id: str, state: TrialState | None) -> None:
        if state is not None:
            self._states[trial_id] = state

    def _work_left(self, arm_id: str) -> float:
        arm, fixed, epochs = self._progress[arm_id], self._arms[arm_id], self._definition.optimization.epochs
        total = tune_total(self._plan, fixed.planned, arm) + confirm_total(self._plan, arm)
        unknown = total - len(arm.tune) - len(arm.confirm)
        return fixed.weight * (self._epochs_left[arm_id] + epochs * unknown)
