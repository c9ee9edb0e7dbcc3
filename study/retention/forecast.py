"""The largest size that a run's weights and checkpoints may reach, from the plan alone: never less than is written.

Files of tensors hold names, settings and records besides, which outweigh the tensors of the smallest networks. The
allowance for them was measured with one epoch of every arm of the space ``rivals`` (two tasks): 4 to 45 kB a
network or task in a checkpoint, 3 to 16 kB in weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from study.plan.cost import concurrent_trials
from study.plan.plan import PlannedArm, StudyPlan

_COPIES = 3
"""Weights and up to two moments of the optimizer."""

_BESIDES_WEIGHTS, _BESIDES_CHECKPOINT = 12_000, 45_000
"""Bytes besides the tensors, for each network and task and one more."""

_RECORD = 300
"""Bytes of the records of an epoch, for each task and one more."""


@dataclass(frozen=True)
class RunBytes:
    """Bytes of a run's files at most.

    Attributes:
        weights: of finished trials, as far as ``retention`` keeps them until the study is complete.
        paused: checkpoints of trials that wait at a rung of halving.
        in_flight: checkpoints of the trials at work. A new one is whole before the old one goes, so each counts twice.
    """

    weights: int
    paused: int
    in_flight: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.paused + self.in_flight


def run_bytes(plan: StudyPlan, at_once: int | None = None) -> RunBytes:
    """Return what the files of a run take at most; failed attempts, whose checkpoints wait for the next, are left out.

    Args:
        plan: the study.
        at_once: units at work; None takes as many as this machine has CPUs for, within ``resources.max_concurrent``.
    """
    halving, explores = plan.definition.search.halving, plan.definition.search.mode == "explore"
    paused = sum(_in_round(plan, arm) * checkpoint_bytes(arm) for arm in plan.arms) if halving else 0
    return RunBytes(
        weights=_weights_explored(plan) if explores else _weights_of_all_arms(plan),
        paused=paused,
        in_flight=2 * _checkpoints_in_flight(plan, at_once or concurrent_trials(plan.definition)),
    )


def weights_bytes(arm: PlannedArm) -> int:
    """Return the size of a file of weights of an arm at most."""
    return arm.storage.bytes_fp32 + _BESIDES_WEIGHTS * _parts(arm) + _records(arm)


def checkpoint_bytes(arm: PlannedArm) -> int:
    """Return the size of a checkpoint of an arm at most. It holds a number for every bit of a mask: its score."""
    tensors = arm.storage.bytes_fp32 + 4 * arm.storage.total.mask_bits
    return _COPIES * tensors + _BESIDES_CHECKPOINT * _parts(arm) + _records(arm)


def _parts(arm: PlannedArm) -> int:
    return 1 + len(arm.config.network_groups) + len(arm.config.data.tasks)


def _records(arm: PlannedArm) -> int:
    return _RECORD * arm.config.optimization.epochs * (1 + len(arm.config.data.tasks))


def _weights_of_all_arms(plan: StudyPlan) -> int:
    keeps, confirm = plan.definition.retention.keeps_weights_of, len(plan.definition.confirm.seeds)
    return sum(
        (plan.tune_trials(arm) * keeps("tune") + confirm * keeps("confirm")) * weights_bytes(arm) for arm in plan.arms
    )


def _weights_explored(plan: StudyPlan) -> int:
    """Return the size of the weights if the sampler proposes the arms, and the front holds those, that take most.

    Every arm on the front has a tune trial, so the more arms are there, the fewer trials can be of the largest one.
    """
    keeps, trials = plan.definition.retention.keeps_weights_of, plan.definition.search.trials or 0
    confirm, tune = len(plan.definition.confirm.seeds) * keeps("confirm"), keeps("tune")
    sizes = sorted(map(weights_bytes, plan.arms), reverse=True)[:trials]
    return max(
        (confirm + tune) * on_front + tune * (trials - front) * sizes[0]
        for front, on_front in enumerate(accumulate(sizes), start=1)
    )


def _in_round(plan: StudyPlan, arm: PlannedArm) -> int:
    """Return the tune trials of an arm that may be begun and not ended: its rounds follow one another."""
    search = plan.definition.search
    return min(search.round_size, search.trials or plan.tune_trials(arm))


def _checkpoints_in_flight(plan: StudyPlan, units: int) -> int:
    """Return the size of the checkpoints of so many units, the largest that there may be together."""
    confirm, largest = len(plan.definition.confirm.seeds), list[int]()
    for arm in plan.arms:
        waiting, fused = max(_in_round(plan, arm), confirm), arm.config.compute.fused
        whole, rest = divmod(waiting, fused)
        size = checkpoint_bytes(arm)
        largest += [fused * size] * min(whole, units) + ([rest * size] if rest else [])
    return sum(sorted(largest, reverse=True)[:units])
