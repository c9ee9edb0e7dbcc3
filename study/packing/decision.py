"""Decides how the arms of a study share the accelerators that are there, from the record of their probes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from study.definition.model import StudyDefinition
from study.packing.measurement import Packing
from study.packing.probe import MOST_PROCESSES
from study.packing.record import PackingRecord, ProbedArm
from study.packing.shape import cost_shape, probed_config
from study.plan.plan import PlannedArm, StudyPlan


@dataclass(frozen=True)
class Accelerator:
    """One type of accelerator among the nodes.

    Attributes:
        name: the type, as Ray calls it; ``GPU`` where it knows none.
        number: how many there are.
        cpus: of the node for each of them; on unequal nodes the fewest.
    """

    name: str
    number: int
    cpus: float


@dataclass(frozen=True)
class Decision:
    """How the arms share the accelerators.

    Attributes:
        processes: trials at once on one accelerator, by arm id; lacks arms of which nothing was measured.
        mps: whether the run uses the Multi-Process Service: one context for all arms, or none.
    """

    processes: dict[str, int]
    mps: bool


def probes_on(plan: StudyPlan) -> bool:
    """Return whether the study leaves it to a probe how many trials share a GPU."""
    return plan.device.kind == "cuda" and plan.definition.resources.gpus == "auto"


def most_processes(definition: StudyDefinition, found: Collection[Accelerator], name: str, at_once: int | None) -> int:
    """Return how many trials may share an accelerator, by the node's CPUs and by the most trials at once.

    Args:
        definition: the study.
        found: all types of accelerators.
        name: the type in question.
        at_once: the most trials of the study at once; None for any number.
    """
    here = next(each for each in found if each.name == name)
    by_cpus = math.floor(here.cpus / definition.resources.cpus + 1e-9)
    by_setting = MOST_PROCESSES if at_once is None else math.ceil(at_once / sum(each.number for each in found))
    return max(1, min(by_cpus, by_setting, MOST_PROCESSES))


def arms_to_probe(
    plan: StudyPlan, arms: Collection[str], record: PackingRecord, accelerator: str, most: int
) -> Iterator[tuple[PlannedArm, ...]]:
    """Yield arms that no probe covers yet, in groups of like cost, of which the first, the costliest, is to be probed.

    The group with most work comes first.

    Args:
        plan: the study.
        arms: ids of the arms in question.
        record: of earlier probes; an arm of like cost to a recorded one is added to it here.
        accelerator: type on which they will run.
        most: trials that may share one. With 1 there is nothing to find out.
    """
    groups: dict[str, list[PlannedArm]] = {}
    for arm in plan.arms if most > 1 else ():
        shape = shape_of(plan, arm)
        known = record.find(arm.arm.arm_id, accelerator, shape)
        if arm.arm.arm_id not in arms or arm.config.compute.fused > 1 or (known is not None and known.covers(most)):
            continue
        equal = record.of_shape(accelerator, shape)
        if equal is not None and equal.covers(most):
            record.add(replace(equal, arm_id=arm.arm.arm_id, arm=arm.arm.name))
        else:
            groups.setdefault(shape, []).append(arm)
    yield from (
        tuple(sorted(group, key=lambda arm: -_work_per_epoch(arm)))
        for group in sorted(groups.values(), key=lambda group: -sum(map(_work_per_epoch, group)))
    )


def _work_per_epoch(arm: PlannedArm) -> int:
    return arm.storage.multiply_adds_per_image


def shape_of(plan: StudyPlan, arm: PlannedArm) -> str:
    """Return the cost shape of the trial by which an arm is probed."""
    return cost_shape(probed_config(arm, plan.definition.space.nuisance), arm.storage)


def decide(plan: StudyPlan, record: PackingRecord, most: dict[str, int], *, mps: bool) -> Decision:
    """Return how the arms share the accelerators; on several types, each arm as suits the one that holds fewest of it.

    A process uses the Multi-Process Service or not from its start to its end, and workers serve all arms, so the run
    uses it for all or for none: where any arm is better off with it.

    Args:
        plan: the study.
        record: of the probes.
        most: processes that may share an accelerator, by type.
        mps: whether the service may be used.
    """
    found = {
        arm.arm.arm_id: [
            (probed, number)
            for name, number in most.items()
            if (probed := record.find(arm.arm.arm_id, name, shape_of(plan, arm))) is not None
        ]
        for arm in plan.arms
    }
    every = [each for probes in found.values() for each in probes]
    serves = mps and any(best.mps for best in _best(every, (False, True)))
    processes = {}
    for arm_id, probes in found.items():
        chosen = list(_best(probes, (serves,))) or list(_best(probes, (False, True)))
        if len(probes) == len(most) and chosen:
            processes[arm_id] = min(each.processes for each in chosen)
    return Decision(processes, serves)


def chosen(plan: StudyPlan, record: PackingRecord) -> Iterator[tuple[ProbedArm, Packing]]:
    """Yield how each arm of the study shares each type of accelerator, with the service or without as the run decides.

    Only probes of trials that cost what they cost now are among them.
    """
    most = dict.fromkeys(record.accelerators, MOST_PROCESSES)
    serves = decide(plan, record, most, mps=True).mps
    for arm in plan.arms:
        for name in most:
            probed = record.find(arm.arm.arm_id, name, shape_of(plan, arm))
            packing = None if probed is None else probed.packing([serves]) or probed.packing()
            if probed is not None and packing is not None:
                yield probed, packing


def _best(probes: Iterable[tuple[ProbedArm, int]], modes: Collection[bool]) -> Iterator[Packing]:
    for probed, most in probes:
        best = probed.packing(modes, most)
        if best is not None:
            yield best
