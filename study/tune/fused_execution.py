"""What a worker does with a fused unit: train its trials as one model, and journal each as a trial of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from study.journal.history import WITHOUT_RESULT, State
from study.journal.journal import JournalWriter
from study.journal.state import TrialState
from study.layout import TrialFolder, dataset_cache
from study.retention.removal import remove_weights
from study.store.working_copy import trial_at_hand
from study.tune.execution import (
    LOCK_PATIENCE_S,
    RUN_TRIAL,
    Reporter,
    TrialFailedError,
    TrialRunner,
    WorkOrder,
    as_ordered,
    execute,
    failure_kind,
    journal_failure,
    journal_outcome,
    load,
    ordered_config,
    planned_state,
    rungs_to_tell_again,
    watched_over,
)
from trainables.data import require_fingerprint
from trainables.failures import DivergedError
from trainables.foundation.files import naming
from trainables.foundation.locks.lock import Guard, LockHeldError, locked
from trainables.outcome import TrialOutcome

if TYPE_CHECKING:
    from trainables.fused.unit import Member, Result


@dataclass(frozen=True)
class _Seat:
    """A trial of the unit that has something left to do: its slot, its order, its folder, its journal."""

    slot: int
    order: WorkOrder
    folder: TrialFolder
    journal: JournalWriter
    state: TrialState


def execute_unit(order: WorkOrder) -> State:
    """Execute the order of a single trial or of a fused unit; return the state of its first trial.

    Raises:
        TrialFailedError: a trial failed (journalled), or another process holds one.
    """
    return _execute_fused(order) if order.slots else execute(order)


def _execute_fused(order: WorkOrder) -> State:
    """Run the unit and journal each of its trials, while it holds the locks of all."""
    os.environ.update(order.environment)  # before anything of the trials touches a device
    members = {slot: replace(order, planned=planned, slots=[]) for slot, planned in enumerate(order.slots) if planned}
    with ExitStack() as held:
        seats = [_seat(slot, each, held) for slot, each in sorted(members.items(), key=lambda item: item[1].trial_id)]
        ends = {seat.slot: seat.state.history.state for seat in seats}
        left = [seat for seat in seats if not seat.state.is_done(order.until_epoch)]
        if left:
            ends |= _attempt(order, sorted(left, key=lambda seat: seat.slot))
        return ends[min(ends)]


def _seat(slot: int, order: WorkOrder, held: ExitStack) -> _Seat:
    """Take a trial's lock, in the order of ids so that two workers never wait for each other, and open its journal."""
    folder = order.run_folder.trial(order.trial_id)
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        held.enter_context(locked(folder.lock, LOCK_PATIENCE_S, Guard(folder.path, (folder.journal,))))
    except LockHeldError:
        raise TrialFailedError(
            f"trial {order.trial_id}: another process has held it for {LOCK_PATIENCE_S:g} s"
        ) from None
    held.enter_context(trial_at_hand(folder.path))
    journal = held.enter_context(JournalWriter(folder.journal))
    return _Seat(slot, order, folder, journal, planned_state(order, folder, journal))


def _attempt(order: WorkOrder, seats: Sequence[_Seat]) -> dict[int, State]:
    """Train the trials; return the state of each by slot."""
    from trainables.fused.unit import Member

    reports = {seat.slot: Reporter(seat.order, seat.journal, seat.state) for seat in seats}
    configs = {seat.slot: ordered_config(seat.order) for seat in seats}
    members: list[Member | None] = [None] * len(order.slots)
    for seat in seats:
        members[seat.slot] = Member(configs[seat.slot], reports[seat.slot], seat.folder.path)
    config, first = configs[seats[0].slot], order.run_folder.trial(order.trial_id)
    again = sorted({rung for seat in seats for rung in rungs_to_tell_again(seat.state, order.until_epoch)})
    try:
        require_fingerprint(config.data, config.data_seed, order.planned["data_fingerprint"], dataset_cache())
        with naming(first.path), watched_over(first, order), as_ordered(order):
            for until_epoch in (*again, order.until_epoch):
                results = _trainer(order.runner)(members, cache=dataset_cache(), until_epoch=until_epoch)
    except Exception as error:
        failed = {seat.slot: journal_failure(seat.order, reports[seat.slot], error) for seat in seats}
        if all(end in WITHOUT_RESULT for end in failed.values()):
            return failed
        raise TrialFailedError(f"unit of trial {order.trial_id}: {failure_kind(error)}: {error}") from error
    ends: dict[int, State] = {}
    for seat in seats:
        found = results[seat.slot]
        if isinstance(found, TrialOutcome):
            ends[seat.slot] = journal_outcome(seat.order, seat.journal, found, seat.state)
            if ends[seat.slot] == "completed" and not order.keeps_weights:
                remove_weights(seat.folder)
        elif found is not None:
            ends[seat.slot] = journal_failure(seat.order, reports[seat.slot], found)
    return ends


def _trainer(runner: str) -> Callable[..., tuple[Result | None, ...]]:
    """Return what trains the unit; a runner of single trials, as benchmarks have, takes them one after another."""
    from trainables.fused.unit import run_fused

    return run_fused if runner == RUN_TRIAL else partial(_one_by_one, load(runner))


def _one_by_one(
    run: TrialRunner, members: Sequence[Member | None], *, cache: Path, until_epoch: int | None
) -> tuple[Result | None, ...]:
    results: list[Result | None] = []
    for member in members:
        if member is None:
            results.append(None)
            continue
        try:
            found: Result = run(
                member.config,
                report=member.report,
                workspace=member.workspace,
                cache=cache,
                until_epoch=until_epoch,
            )
        except DivergedError as failure:
            found = failure
        results.append(found)
    return tuple(results)
