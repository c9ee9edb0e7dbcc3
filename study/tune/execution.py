"""What a worker does with one work order: train, journal, and say how it ended. No Ray here.

The order names the function to run, so that benchmarks can measure the orchestration around an empty one.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from study.definition.secrets import redact
from study.errors import system_error_line
from study.journal.history import WITHOUT_RESULT, State, state_after_failure
from study.journal.journal import JournalWriter
from study.journal.state import TrialState, read_state
from study.journal.verdict import Place, judged
from study.layout import RunFolder, TrialFolder, dataset_cache
from study.retention.removal import remove_weights
from study.schedule.hang_watch import ended_when_hung
from study.store.beats import telling_the_store
from study.store.working_copy import open_copy, trial_at_hand
from study.tune.software import libraries_of_gpu, software_versions
from trainables.config.trial import TrialConfig
from trainables.data import require_fingerprint
from trainables.failures import DeviceOutOfMemoryError, DiskFullError, TrialFailure
from trainables.foundation.checkpointing import CheckpointInterval, checkpointing
from trainables.foundation.device_share import sharing_device
from trainables.foundation.files import naming
from trainables.foundation.locks.lock import Guard, LockHeldError, locked
from trainables.outcome import EpochRecord, TrialOutcome, mean_over_tasks

TrialRunner = Callable[..., TrialOutcome]
FailureKind = Literal["diverged", "out_of_memory", "disk_full", "hung", "data", "crashed"]

RUN_TRIAL = "trainables.run:run_trial"
LOCK_PATIENCE_S = 60.0
"""A worker of a killed driver is gone within seconds; one that holds a trial longer than this is alive."""


class TrialFailedError(RuntimeError):
    """A trial ended without a result; its journal holds the cause."""


@dataclass(frozen=True)
class WorkOrder:
    """A work unit as it travels to a worker.

    Attributes:
        folder: absolute path of the run folder, the same on every node.
        planned: the fields of the trial's ``planned`` event.
        until_epoch: the rung to stop at; None runs to the end.
        metric: of the objective, on validation images, mean over tasks.
        average: of the objective.
        runner: ``module:function`` with the signature of ``trainables.run.run_trial``.
        hang_after_s: without a sign of life the worker is ended after so many seconds; None never.
        environment: variables of the worker, the same in all orders of a run.
        gpus: GPUs that the worker has: a part of one, or whole ones; 0 on other devices.
        alone: whether that is a whole one, since the trial has run out of memory on a part of it.
        slots: of a fused unit: the fields of the ``planned`` event of the trial in each slot, None where there is none;
            ``planned`` is the first of them. Empty for a single trial.
        checkpoint_every: how often the trial writes its checkpoint.
        keeps_weights: whether its weights stay once it has finished and its journal says so.
        node: Ray's id of the node that executes the order; empty until then.
        store: URL of the study, if it is in a store; ``folder`` is then of the driver alone.
        tell_every_s: seconds between two signs of life in the store; None writes none.
    """

    folder: str
    planned: dict[str, Any]
    until_epoch: int | None
    metric: str
    average: Literal["query", "class"]
    runner: str = RUN_TRIAL
    hang_after_s: float | None = None
    environment: dict[str, str] = field(default_factory=dict)
    gpus: float = 0.0
    alone: bool = False
    slots: list[dict[str, Any] | None] = field(default_factory=list)
    checkpoint_every: CheckpointInterval = field(default_factory=CheckpointInterval)
    keeps_weights: bool = True
    node: str = ""
    store: str = ""
    tell_every_s: float | None = None

    @property
    def trial_id(self) -> str:
        """The trial's id."""
        return str(self.planned["trial_id"])

    @property
    def run_folder(self) -> RunFolder:
        """The run folder, or this node's copy of it."""
        if self.store:
            return RunFolder(open_copy(self.store, "worker", dataset_cache()).path, self.store)
        return RunFolder(Path(self.folder))

    def to_json(self) -> str:
        """Return the order as text."""
        # not asdict(self), which would copy every configuration
        fields = vars(self) | {"checkpoint_every": asdict(self.checkpoint_every)}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> WorkOrder:
        """Return the order that ``to_json`` wrote."""
        fields = json.loads(text)
        fields["checkpoint_every"] = CheckpointInterval(**fields.get("checkpoint_every", {}))
        return cls(**fields)


def execute(order: WorkOrder) -> State:
    """Run the unit and journal it; return its trial's state: ``completed``, ``paused``, ``diverged`` or ``infeasible``.

    A trial has one writer at a time: the lock also keeps out a worker that outlived its killed driver. Work that the
    journal shows as done is not done again. Where the lock is a lease that another has taken, nothing more is written.

    Raises:
        TrialFailedError: the trial failed (journalled), or another process holds it.
        LeaseLostError: another process has taken it meanwhile.
    """
    os.environ.update(order.environment)  # before anything of the trial touches a device
    folder = order.run_folder.trial(order.trial_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with (
            locked(folder.lock, LOCK_PATIENCE_S, Guard(folder.path, (folder.journal,))),
            trial_at_hand(folder.path),
            JournalWriter(folder.journal) as journal,
        ):
            state = planned_state(order, folder, journal)
            if state.is_done(order.until_epoch):
                return state.history.state
            return _attempt(order, folder, journal, state)
    except LockHeldError:
        raise TrialFailedError(
            f"trial {order.trial_id}: another process has held it for {LOCK_PATIENCE_S:g} s"
        ) from None


def planned_state(order: WorkOrder, folder: TrialFolder, journal: JournalWriter) -> TrialState:
    """Return what the journal says, after writing the plan into one that has none or has lost it."""
    state = read_state(folder.journal)
    if state is None:
        journal.append("planned", **order.planned)
        state = read_state(folder.journal)
    if state is None:
        raise AssertionError(f"{folder.journal}: what was just written cannot be read")
    return state


def _attempt(order: WorkOrder, folder: TrialFolder, journal: JournalWriter, state: TrialState) -> State:
    report = Reporter(order, journal, state)
    config = ordered_config(order)
    try:
        require_fingerprint(config.data, config.data_seed, order.planned["data_fingerprint"], dataset_cache())
        with naming(folder.path), watched_over(folder, order), as_ordered(order):
            for until_epoch in (*rungs_to_tell_again(state, order.until_epoch), order.until_epoch):
                outcome = load(order.runner)(
                    config,
                    report=report,
                    workspace=folder.path,
                    cache=dataset_cache(),
                    until_epoch=until_epoch,
                )
    except Exception as error:
        end = journal_failure(order, report, error)
        if end in WITHOUT_RESULT:
            return end
        raise TrialFailedError(f"trial {order.trial_id}: {failure_kind(error)}: {error}") from error
    end = journal_outcome(order, journal, outcome, state)
    if end == "completed" and not order.keeps_weights:
        remove_weights(folder)
    return end


@contextmanager
def watched_over(folder: TrialFolder, order: WorkOrder) -> Iterator[None]:
    """End this process if the work in the block hangs, and let the driver see that it goes on."""
    with (
        telling_the_store(folder.hang, order.tell_every_s) as tell,
        ended_when_hung(folder.hang, order.hang_after_s, tell),
    ):
        yield


@contextmanager
def as_ordered(order: WorkOrder) -> Iterator[None]:
    """Let trials in the block take the share of a device, and write checkpoints as often, as the order says."""
    share = min(1.0, order.gpus) or 1.0  # without GPUs, trials share no device
    with sharing_device(share), checkpointing(order.checkpoint_every):
        yield


def ordered_config(order: WorkOrder) -> TrialConfig:
    """Return the trial's configuration; at rungs it measures the objective alone, which is all that is used there."""
    config = TrialConfig.model_validate(order.planned["config"])
    evaluation = config.evaluation.model_copy(update={"rung_metric": order.metric})
    return config.model_copy(update={"evaluation": evaluation})


class Reporter:
    """Journals an attempt at a trial: its start, then the epochs that the journal does not have yet."""

    def __init__(self, order: WorkOrder, journal: JournalWriter, state: TrialState) -> None:
        self.journal, self.state, self.done = journal, state, 0
        self._told = set(state.history.epochs)
        journal.append(
            "started",
            attempt=state.history.attempts + 1,
            from_epoch=state.history.epoch,
            host=socket.gethostname(),
            pid=os.getpid(),
            node=order.node,
            versions=software_versions() | libraries_of_gpu(order.planned["config"]),
        )

    def __call__(self, record: EpochRecord) -> None:
        """Take an epoch from the trial."""
        if not (record.earlier and record.epoch in self._told):
            self.journal.append("epoch", epoch=record.epoch, seconds=record.seconds, metrics=record.metrics)
        self._told.add(record.epoch)
        self.done = record.epoch


def journal_failure(order: WorkOrder, report: Reporter, error: Exception) -> State:
    """Journal the end of an attempt by an error; return the trial's state."""
    earlier = report.state.history.failures
    failure = judged(_failure(error), earlier, Place(socket.gethostname(), order.gpus, order.alone))
    end = state_after_failure(failure)
    if end not in WITHOUT_RESULT or end != report.state.history.state:  # one that only caught up has said it already
        report.journal.append("failed", **failure, epoch=report.done)
    return end


def _failure(error: Exception) -> dict[str, Any]:
    """Return the fields of the ``failed`` event before the verdict on the trial."""
    text = redact("".join(traceback.format_exception(error)))
    device = isinstance(error, DeviceOutOfMemoryError)
    told = system_error_line(error) if isinstance(error, DiskFullError) else str(error) or type(error).__name__
    return {"kind": failure_kind(error), "message": redact(told), "traceback": text, "device": device}


def rungs_to_tell_again(state: TrialState, until_epoch: int | None) -> list[int]:
    """Return the rungs behind which the journal lost epochs: a trial that starts over has to pause where it paused.

    What an epoch tells depends on it, since validation images are looked at before a pause.
    """
    known = sorted({*state.rungs, *state.passed})
    return [
        rung for rung in known if (until_epoch is None or rung < until_epoch) and not state.history.has_epochs(rung)
    ]


def journal_outcome(order: WorkOrder, journal: JournalWriter, outcome: TrialOutcome, state: TrialState) -> State:
    """Journal the outcome of an attempt; return the trial's state."""
    objective = mean_over_tasks(outcome.task_metrics, "validation", order.metric, order.average)
    rungs = {*state.rungs, *state.passed}
    if not outcome.finished:
        rungs.add(outcome.epochs_run)
        journal.append("paused", epoch=outcome.epochs_run, objective=objective, rungs=sorted(rungs))
        return "paused"
    if state.history.finished is None:
        journal.append(
            "finished",
            epochs_run=outcome.epochs_run,
            objective=objective,
            rungs=sorted(rungs),
            task_metrics=[asdict(row) for row in outcome.task_metrics],
            peak_memory_bytes=outcome.peak_memory_bytes,
            **({"unrepeatable": list(outcome.unrepeatable)} if outcome.unrepeatable else {}),
        )
    return "completed"


def failure_kind(error: Exception) -> FailureKind:
    """Return the kind that an error carries; an error without one is in the code, ours or the user's."""
    return error.kind if isinstance(error, TrialFailure) else "crashed"


@cache
def load(path: str) -> TrialRunner:
    """Return the function at ``module:function``."""
    runner: TrialRunner = resolve_name(path)
    return runner
