"""Decides which unit to run next. Keeps all trial states in memory and rereads a journal when its trial's unit ends.

The order of units affects when a study finishes, never its results. Does not use Ray.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from filelock import FileLock, Timeout

from study.errors import UserError
from study.journal.events import Event
from study.journal.journal import JournalWriter
from study.journal.state import TrialState, read_state
from study.layout import RunFolder, TrialFolder
from study.plan.plan import PlannedArm, PlannedTrial, StudyPlan
from study.schedule.design import ArmDesign, ArmProgress
from study.schedule.drawing import DrawnRounds
from study.schedule.equal_failures import EqualFailures
from study.schedule.fusing import fused_units
from study.schedule.halving import Pruning
from study.schedule.hang_watch import read_hang
from study.schedule.progress import assembled, confirm_total, tune_total
from study.schedule.units import Packing, Resources, WorkUnit, shares_of
from study.schedule.workload import Workload

WRITER_GONE_S = 5.0
"""Seconds the driver waits for the lock of a lost worker before it leaves the trial's journal unchanged."""


@dataclass(frozen=True)
class _Arm:
    planned: PlannedArm
    design: ArmDesign
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
        rounds = DrawnRounds(folder)
        self._arms = {
            arm.arm.arm_id: _Arm(arm, ArmDesign(plan, arm, rounds), float(arm.storage.total.multiply_adds_per_image))
            for arm in plan.arms
        }
        self.pack({})
        self._tries = 1 + plan.definition.resources.retries
        self._vain: Counter[str] = Counter()  # per trial id: units that ended in this run still unfinished
        self._equal_failures = EqualFailures(self._tries)
        self._in_flight: dict[str, WorkUnit] = {}
        self._progress: dict[str, ArmProgress] = {}
        for arm_id in self._arms:
            self._look_again(arm_id)

    def pack(self, packing: Packing) -> None:
        """Take the shares of a GPU for the units handed out from now on; arms that are missing take the default."""
        self._shares = shares_of(self._plan, packing)

    def resources(self, unit: WorkUnit) -> Resources:
        """Return what a unit reserves on one node."""
        found = self._of_arm(unit.trial.arm.arm_id)
        return replace(found, gpus=max(1.0, found.gpus)) if unit.alone and found.gpus else found

    @property
    def kinds_of_resources(self) -> frozenset[Resources]:
        """What units of the arms reserve, each kind once."""
        return frozenset(map(self._of_arm, self._arms))

    def _of_arm(self, arm_id: str) -> Resources:
        return Resources(self._definition.resources.cpus, self._shares[arm_id].gpus)

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
        return len({id(unit) for unit in self._in_flight.values()})

    @property
    def exhausted(self) -> bool:
        """Whether no unit is running and none can be handed out: each is done, has failed too often, or is stopped."""
        return not self._in_flight and not self._candidates()

    def next_unit(self) -> WorkUnit | None:
        """Hand out a unit, or None if none may run now.

        The arm with the most work left comes first, since its sequential rounds determine when the study ends; ties
        follow the order of arms in the study file, then that of trials. Units that need a whole GPU come last, since
        others that share one would have to end first; trials likely to fail again come after all others.
        """
        candidates = self._candidates()
        if not candidates:
            return None
        left = {arm_id: self._work_left(arm_id) for arm_id in self._arms}

        def urgency(unit: WorkUnit) -> tuple[bool, bool, float]:
            arm_id = unit.trial.arm.arm_id
            hopeful = not self._equal_failures.would_fail_again(arm_id, unit.trial.trial_id)
            return hopeful, not unit.alone, left[arm_id]

        unit = max(candidates, key=urgency)  # ties: the first one
        self._in_flight |= {trial.trial_id: unit for trial in unit.trials}
        return unit

    def ended(self, unit: WorkUnit, *, crashed: bool) -> TrialState | None:
        """Record that a unit has ended, reread its journals, and prune the trials that halving eliminates.

        Returns:
            The state of the unit's first trial.

        Raises:
            UserError: a trial failed on a full disk, which would also fail the others.
        """
        arm_id, trials = unit.trial.arm.arm_id, unit.trials
        found = [read_state(self._folder.trial(trial.trial_id).journal) for trial in trials]
        if crashed:
            found = self._with_end_of_worker(unit, found)
        for trial, state in zip(trials, found, strict=True):
            del self._in_flight[trial.trial_id]
            if state is not None:
                self._states[trial.trial_id] = state
        self._look_again(arm_id)
        ready = {(each.trial.trial_id, each.until_epoch, each.alone) for each in self._progress[arm_id].ready}
        failed: dict[str, Event] = {}
        for trial, state in zip(trials, found, strict=True):
            if state is not None and state.history.ran_out_of_gpu_memory:
                continue  # tried once more, alone, or known not to fit: neither uses up a try nor speaks of the code
            if (trial.trial_id, unit.until_epoch, unit.alone) not in ready:
                self._equal_failures.ended_well(arm_id)
                continue
            self._vain[trial.trial_id] += 1
            if state is not None and state.history.state == "failed":
                failed[trial.trial_id] = state.history.failures[-1]
        self._note_failure(arm_id, failed)
        return found[0]

    def _note_failure(self, arm_id: str, failed: Mapping[str, Event]) -> None:
        """Take note of a unit's failure, by trial id; trials of one unit fail together, which counts once."""
        for failure in failed.values():
            if failure["kind"] == "disk_full":
                raise UserError(f"{failure['host']}: {failure['message']}")
        for trial_id, failure in list(failed.items())[:1]:
            self._equal_failures.failed(arm_id, trial_id, failure)

    def workload(self) -> Workload:
        """Return the state of the run and the trials in flight."""
        arms = tuple((self._arms[arm_id].planned, progress) for arm_id, progress in self._progress.items())
        return Workload(
            assembled(self._plan, arms, self._states),
            {trial_id: self._folder.trial(trial_id).journal for trial_id in self._in_flight},
        )

    def _candidates(self) -> list[WorkUnit]:
        stopped = self._equal_failures.stopped()
        return [
            unit
            for arm_id, arm in self._progress.items()
            if arm_id not in stopped
            for unit in fused_units(filter(self._may_run, arm.ready), self._definition.search.round_size)
        ]

    def _may_run(self, unit: WorkUnit) -> bool:
        trial_id = unit.trial.trial_id
        return trial_id not in self._in_flight and self._vain[trial_id] < self._tries

    def _look_again(self, arm_id: str) -> None:
        self._progress[arm_id] = self._arms[arm_id].design.progress(self._states)
        for pruning in self._progress[arm_id].pruned:
            if self._states[pruning.trial.trial_id].history.state == "paused":
                self._journal_pruning(pruning)

    def _journal_pruning(self, pruning: Pruning) -> None:
        journal = self._folder.trial(pruning.trial.trial_id).journal
        with JournalWriter(journal) as writer:
            writer.append("pruned", epoch=pruning.epoch, objective=pruning.objective)
        state = read_state(journal)
        if state is not None:
            self._states[pruning.trial.trial_id] = state

    def _with_end_of_worker(self, unit: WorkUnit, states: Sequence[TrialState | None]) -> list[TrialState | None]:
        """Journal what a lost worker could not, for the trials it left undecided; return the states of the unit's."""
        failure = self._end_of_worker(self._folder.trial(unit.trial.trial_id))  # it leaves its note at the first trial
        return [
            self._journal_lost_worker(trial, failure)
            if state is None or state.history.state in ("waiting", "running")
            else state
            for trial, state in zip(unit.trials, states, strict=True)
        ]

    def _journal_lost_worker(self, planned: PlannedTrial, failure: Mapping[str, str]) -> TrialState | None:
        """Write the ``failed`` event that a killed worker could not write itself."""
        trial = self._folder.trial(planned.trial_id)
        trial.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(trial.path / "trial.lock", timeout=WRITER_GONE_S), JournalWriter(trial.journal) as writer:
                if read_state(trial.journal) is None:
                    writer.append("planned", **planned.planned_event(self._definition.name))
                host = state.history.host if (state := read_state(trial.journal)) else None
                writer.append("failed", **failure, host=host or socket.gethostname())
                trial.hang.unlink(missing_ok=True)
        except Timeout:  # the worker is still alive and will record the outcome itself
            pass
        return read_state(trial.journal)

    def _end_of_worker(self, trial: TrialFolder) -> dict[str, str]:
        hang = read_hang(trial.hang)
        if hang is None:
            message = "the worker ended without notice: it was killed, ran out of memory, or its node was lost"
            return {"kind": "crashed", "message": message, "traceback": ""}
        place, stacks = hang
        limit = self._definition.resources.hang_after_s
        message = f"no progress for {limit:g} s (resources.hang_after_s); it hung in {place}"
        return {"kind": "hung", "message": message, "traceback": stacks}

    def _epoch(self, trial_id: str) -> int:
        state = self._states.get(trial_id)
        return state.history.epoch if state else 0

    def _trials_total(self, arm_id: str) -> int:
        arm, planned = self._progress[arm_id], self._arms[arm_id].planned
        return tune_total(self._plan, planned, arm) + confirm_total(self._plan, arm)

    def _work_left(self, arm_id: str) -> float:
        arm, epochs = self._progress[arm_id], self._definition.optimization.epochs
        over = {pruning.trial.trial_id for pruning in arm.pruned}
        known = (*arm.tune, *arm.confirm)
        left = sum(
            epochs - self._epoch(trial.trial_id)
            for trial in known
            if trial.trial_id not in over and not self._is_final(trial.trial_id)
        )
        return self._arms[arm_id].weight * (left + epochs * (self._trials_total(arm_id) - len(known)))

    def _is_final(self, trial_id: str) -> bool:
        state = self._states.get(trial_id)
        return state is not None and state.history.is_final
