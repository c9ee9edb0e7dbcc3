"""``run_fused``: start or resume the trials of a unit, train them as one model, report, measure and keep each.

Every member keeps the records, checkpoints and weights of a trial trained alone. Members that train are always at the
same epoch. The checkpoints of an epoch are all written under another name before the first is renamed, so that an
interruption leaves an epoch that all of them have reached, and costs at most the epoch it fell into.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from trainables.config.trial import TrialConfig
from trainables.failures import DivergedError, typed_failures
from trainables.foundation.checkpointing import CheckpointClock
from trainables.foundation.files import rename
from trainables.fused.fusible import check_members
from trainables.fused.learner import FusedLearner, Slot
from trainables.outcome import EpochRecord, TrialOutcome
from trainables.training.checkpoint import Checkpoint
from trainables.training.runtime import Runtime, trial_runtime
from trainables.trial import Report, Surroundings, Trial

PENDING_FILE = "checkpoint.next.pt"

Result = TrialOutcome | DivergedError


@dataclass(frozen=True)
class Member:
    """A trial of a unit, with the arguments of ``run_trial`` that are its own."""

    config: TrialConfig
    report: Report
    workspace: Path


@typed_failures(torch.OutOfMemoryError)
def run_fused(
    members: Sequence[Member | None], *, cache: Path, until_epoch: int | None = None
) -> tuple[Result | None, ...]:
    """Train the trials of a unit to the end or to a rung, as one model, resuming from their checkpoints.

    A trial gets the numbers it would get alone, up to rounding: ``compute.fused`` is therefore part of its id. They do
    not depend on which other trials are in the unit, nor on how those fare: a slot without a trial is computed as well,
    with a copy of one of the others. So trials may leave a unit (pruned, finished, failed) or join it later.

    Args:
        members: One per slot, ``compute.fused`` in all; None for a slot without a trial to train.
        cache: Decoded images and frozen triplets, shared by all trials on the node.
        until_epoch: A rung, as in ``run_trial``.

    Returns:
        By slot: the outcome of the trial, or how it alone failed (``DivergedError``); None for an empty slot.

    Raises:
        DataError: images or labels cannot be read.
        OutOfMemoryError: the process or the device has no memory left.
        DiskFullError: the storage takes nothing more.
        ValueError: there is no trial, the trials cannot be trained as one model or do not fit the data or the machine,
            ``until_epoch`` is below 1, or a workspace belongs to another trial.
    """
    if until_epoch is not None and until_epoch < 1:
        raise ValueError(f"until_epoch must be at least 1, got {until_epoch}")
    present = [member for member in members if member is not None]
    if not present:
        raise ValueError("a fused unit needs a trial in one of its slots")
    configs = [(member or present[0]).config for member in members]
    check_members(configs)
    last = configs[0].optimization.epochs
    until = last if until_epoch is None else min(until_epoch, last)
    with trial_runtime(configs[0].compute) as runtime:  # no variable here holds the unit: its memory is given back
        results = _prepared(members, configs, cache, runtime, until).run(last)
    return tuple(results.get(slot) for slot in range(len(members)))


def _prepared(
    members: Sequence[Member | None], configs: Sequence[TrialConfig], cache: Path, runtime: Runtime, until: int
) -> _Unit:
    around = Surroundings.of(configs[0], cache, runtime)
    learner = FusedLearner(configs, around.dataset.splits["train"], runtime)
    seats = [_Seat(slot, member, learner, around) for slot, member in enumerate(members) if member is not None]
    return _Unit(seats, learner, until)


class _Seat:
    """A member in its slot.

    Attributes:
        pending: The checkpoint of an epoch until all members have written theirs.
        result: How the member ended in this call.
    """

    def __init__(self, slot: int, member: Member, learner: FusedLearner, around: Surroundings) -> None:
        member.workspace.mkdir(parents=True, exist_ok=True)
        self.slot = slot
        self.report = member.report
        self.trial = Trial(member.config, Slot(learner, slot), around, member.workspace)
        self.pending = self.trial.checkpoint_file.with_name(PENDING_FILE)
        self.result: Result | None = None

    def checkpoints(self, until_epoch: int) -> dict[int, Checkpoint]:
        """Return by epoch the checkpoints that lead to the epoch asked for."""
        read = [self.trial.read(path) for path in (self.pending, self.trial.checkpoint_file)]
        return {each.epoch: each for each in read if each and self.trial.may_resume(each, until_epoch)}

    def measured(self, trained: dict[str, float] | DivergedError, *, last: bool) -> dict[str, float] | None:
        """Return the metrics of an epoch; None if the member has diverged."""
        try:
            if isinstance(trained, DivergedError):
                raise trained
            return trained | self.trial.measure_epoch(last=last)
        except DivergedError as failure:
            self.result = failure
            return None

    def conclude(self, last_epoch: int) -> None:
        """Measure the member at the end of the call, and keep its weights or its rung."""
        try:
            self.result = self.trial.finish() if self.trial.epoch == last_epoch else self.trial.pause()
        except DivergedError as failure:
            self.result = failure
        if self.trial.epoch == last_epoch:
            self.pending.unlink(missing_ok=True)


class _Unit:
    """The members of a unit, and the epoch that those in training have in common."""

    def __init__(self, seats: Sequence[_Seat], learner: FusedLearner, until_epoch: int) -> None:
        self._seats = seats
        self._learner = learner
        self._until = until_epoch

    def run(self, last_epoch: int) -> dict[int, Result | None]:
        """Train the members to the epoch asked for; return by slot how each ended."""
        self.load()
        self.train()
        self.conclude(last_epoch)
        return {seat.slot: seat.result for seat in self._seats}

    def load(self) -> None:
        """Load what the workspaces hold, and report the epochs of earlier calls again."""
        found = {seat: seat.checkpoints(self._until) for seat in self._seats if not seat.trial.load_finished()}
        for seat, by_epoch in found.items():
            if max(by_epoch, default=0) > self._until:  # past this rung, which it has measured
                seat.trial.recall(by_epoch[max(by_epoch)])
        _resume_together({seat: by_epoch for seat, by_epoch in found.items() if not seat.trial.epoch})
        for seat in self._seats:
            measured = seat.trial.has_measured(self._until)
            seat.trial.repeat(seat.report, self._until if measured else seat.trial.epoch)
            if measured:
                seat.result = seat.trial.measured_at(self._until)

    def train(self) -> None:
        """Run the epochs up to the one asked for; report each, then write the checkpoints."""
        clock = CheckpointClock()
        while training := [seat for seat in self._open() if seat.trial.epoch < self._until]:
            started, epoch = time.perf_counter(), training[0].trial.epoch + 1
            for seat in training:
                seat.trial.begin_epoch()
            trained = self._learner.run_epoch(epoch)
            measured = {seat: seat.measured(trained[seat.slot], last=epoch == self._until) for seat in training}
            seconds = (time.perf_counter() - started) / len(training)  # a member's share, so that sums stay right
            for seat, metrics in measured.items():
                if metrics is not None:
                    seat.trial.end_epoch(EpochRecord(epoch, seconds, metrics), seat.report)
            if clock.is_due(last=epoch == self._until):
                _save_together([seat for seat, metrics in measured.items() if metrics is not None])

    def conclude(self, last_epoch: int) -> None:
        """Measure the members that have not failed."""
        for seat in self._open():
            seat.conclude(last_epoch)

    def _open(self) -> list[_Seat]:
        return [seat for seat in self._seats if seat.result is None]


def _resume_together(found: Mapping[_Seat, Mapping[int, Checkpoint]]) -> None:
    """Resume members from the last epoch that all of them have kept; 0, their start, is known to all."""
    epoch = max(set.intersection(*({0, *by_epoch} for by_epoch in found.values()))) if found else 0
    for seat, by_epoch in found.items():
        if epoch:
            seat.trial.resume(by_epoch[epoch])
            if seat.pending.exists():
                kept = seat.trial.read(seat.trial.checkpoint_file)
                if kept is None or kept.epoch != epoch:
                    rename(seat.pending, seat.trial.checkpoint_file)
        seat.pending.unlink(missing_ok=True)


def _save_together(seats: Sequence[_Seat]) -> None:
    """Write the checkpoints of an epoch such that an interruption leaves an epoch that all members have kept."""
    for seat in seats:
        seat.trial.save(seat.pending)
    for seat in seats:
        rename(seat.pending, seat.trial.checkpoint_file)
