"""What a worker does with one work order: train, journal, and say how it ended. No Ray here.

The order names the function to run, so that benchmarks can measure the orchestration around an empty one.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from filelock import FileLock, Timeout

from results.tables.schema import INFEASIBLE
from study.definition.secrets import redact
from study.errors import system_error_line
from study.journal.history import WITHOUT_RESULT, State, state_after_failure
from study.journal.journal import JournalWriter
from study.journal.state import TrialState, read_state
from study.layout import RunFolder, TrialFolder, dataset_cache
from study.schedule.hang_watch import ended_when_hung
from trainables.config.trial import TrialConfig
from trainables.data import require_fingerprint
from trainables.failures import DeviceOutOfMemoryError, DiskFullError, TrialFailure
from trainables.foundation.device_share import sharing_device
from trainables.foundation.files import naming
from trainables.outcome import EpochRecord, TrialOutcome, mean_over_tasks

TrialRunner = Callable[..., TrialOutcome]
FailureKind = Literal["diverged", "out_of_memory", "disk_full", "hung", "data", "crashed"]

RUN_TRIAL = "trainables.run:run_trial"
LOCK_PATIENCE_S = 60.0
"""A worker of a killed driver is gone within seconds; one that holds a trial longer than this is alive."""

_SOFTWARE = ("modulation-study", "torch", "numpy", "ray", "optuna", "pyarrow")


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

    @property
    def trial_id(self) -> str:
        """The trial's id."""
        return str(self.planned["trial_id"])

    def to_json(self) -> str:
        """Return the order as text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> WorkOrder:
        """Return the order that ``to_json`` wrote."""
        return cls(**json.loads(text))


def execute(order: WorkOrder) -> State:
    """Run the unit and journal it; return its trial's state: ``completed``, ``paused``, ``diverged`` or ``infeasible``.

    A trial has one writer at a time: the lock also keeps out a worker that outlived its killed driver. Work that the
    journal shows as done is not done again.

    Raises:
        TrialFailedError: the trial failed (journalled), or another process holds it.
    """
    os.environ.update(order.environment)  # before anything of the trial touches a device
    folder = RunFolder(Path(order.folder)).trial(order.trial_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with (
            FileLock(folder.path / "trial.lock", timeout=LOCK_PATIENCE_S),
            JournalWriter(folder.journal) as journal,
        ):
            state = planned_state(order, folder, journal)
            if state.is_done(order.until_epoch):
                return state.history.state
            return _attempt(order, folder, journal, state)
    except Timeout:
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
    config = TrialConfig.model_validate(order.planned["config"])
    try:
        require_fingerprint(config.data, config.data_seed, order.planned["data_fingerprint"], dataset_cache())
        share = min(1.0, order.gpus) or 1.0  # without GPUs, trials share no device
        with naming(folder.path), ended_when_hung(folder.hang, order.hang_after_s), sharing_device(share):
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
    return journal_outcome(order, journal, outcome, state)


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
            versions=software_versions() | _computed_by(order),
        )

    def __call__(self, record: EpochRecord) -> None:
        """Take an epoch from the trial."""
        if not (record.earlier and record.epoch in self._told):
            self.journal.append("epoch", epoch=record.epoch, seconds=record.seconds, metrics=record.metrics)
        self._told.add(record.epoch)
        self.done = record.epoch


def journal_failure(order: WorkOrder, report: Reporter, error: Exception) -> State:
    """Journal the end of an attempt by an error; return the trial's state."""
    failure = _failure(order, error)
    end = state_after_failure(failure)
    if end not in WITHOUT_RESULT or end != report.state.history.state:  # one that only caught up has said it already
        report.journal.append("failed", **failure, epoch=report.done)
    return end


def _failure(order: WorkOrder, error: Exception) -> dict[str, Any]:
    """Return the fields of the ``failed`` event; running out of a GPU's memory also says whether it was shared."""
    text = redact("".join(traceback.format_exception(error)))
    failure: dict[str, Any] = {"kind": failure_kind(error), "message": redact(_message(error)), "traceback": text}
    if order.gpus and isinstance(error, DeviceOutOfMemoryError):
        share = f"{order.gpus:g} of a GPU" if order.gpus < 1 else "a whole GPU"
        told = f"{INFEASIBLE}, alone on a GPU" if order.alone else f"with {share}, tried again alone"
        failure |= {"message": f"{told}: {failure['message']}", "alone": order.alone}
    return failure


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


def _message(error: Exception) -> str:
    return system_error_line(error) if isinstance(error, DiskFullError) else str(error) or type(error).__name__


@cache
def software_versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _SOFTWARE}}


def _computed_by(order: WorkOrder) -> dict[str, str]:
    """Return the type of GPU and the versions of its libraries, for a trial that uses one."""
    device = order.planned["config"].get("compute", {}).get("device", "auto")
    if device != "cuda":
        return {}
    from trainables.training.runtime import computed_by

    return computed_by(device)


@cache
def load(path: str) -> TrialRunner:
    """Return the function at ``module:function``."""
    runner: TrialRunner = resolve_name(path)
    return runner
