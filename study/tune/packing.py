"""The GPUs of a run: which there are, and how the trials share them; what no earlier run has probed is probed first."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

from study.layout import RunFolder, dataset_cache
from study.packing.decision import Accelerator, arms_to_probe, decide, most_processes, probes_on, shape_of
from study.packing.mps.control import WITHOUT_MPS, place_of
from study.packing.probe import WINDOW_S, Probe, ProbeRequest, probe
from study.packing.record import PackingRecord, ProbedArm, recover_packing
from study.packing.shape import probed_config
from study.packing.wording import described
from study.plan.plan import PlannedArm, StudyPlan
from study.schedule.units import Packing, Share
from study.tune.mps import Notice, service_on

_LOG = logging.getLogger(__name__)

_UNKNOWN = "GPU"


@dataclass(frozen=True)
class GpuSharing:
    """How the trials of a run share its GPUs.

    Attributes:
        packing: the arms' shares; without one a trial gets what the study file says, or a whole GPU.
        environment: variables that every worker needs.
    """

    packing: Packing = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Node:
    """A node with GPUs."""

    node_id: str
    accelerator: str
    gpus: int
    cpus: float

    @property
    def cpus_per_gpu(self) -> float:
        return self.cpus / self.gpus


@contextmanager
def gpu_sharing(
    plan: StudyPlan, folder: RunFolder, arms: Collection[str], at_once: int | None, notice: Notice
) -> Iterator[GpuSharing]:
    """Decide how the trials share the GPUs while the block runs; probe first what no earlier run has.

    Args:
        plan: the study.
        folder: of its run.
        arms: ids of the arms that have work left.
        at_once: the most trials at once; None for any number.
        notice: is told what is probed and found.
    """
    nodes = _gpu_nodes() if probes_on(plan) else []
    if not nodes:
        yield GpuSharing()
        return
    found = _accelerators(nodes)
    most = {each.name: most_processes(plan.definition, found, each.name, at_once) for each in found}
    record = recover_packing(folder)
    groups = [(name, group) for name, limit in most.items() for group in arms_to_probe(plan, arms, record, name, limit)]
    wanted = bool(groups) or decide(plan, record, most, mps=True).mps
    with service_on([node.node_id for node in nodes] if wanted else [], place_of(folder.path), notice) as service:
        _probe_missing(_Probing(plan, record, nodes, most, service.environment, notice), groups)
        decision = decide(plan, record, most, mps=service.environment is not None)
        if not decision.mps:
            service.end()
        shares = {arm_id: Share.packed(processes) for arm_id, processes in decision.processes.items()}
        yield GpuSharing(shares, dict(service.environment or WITHOUT_MPS))


def _gpu_nodes() -> list[_Node]:
    import ray

    found = []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        resources = node["Resources"]
        gpus = math.floor(resources.get("GPU", 0))
        if node["Alive"] and gpus:
            types = (name.partition(":")[2] for name in resources if name.startswith("accelerator_type:"))
            found.append(_Node(node["NodeID"], next(types, _UNKNOWN), gpus, resources.get("CPU", 0)))
    return found


def _accelerators(nodes: list[_Node]) -> list[Accelerator]:
    groups = defaultdict[str, list[_Node]](list)
    for node in nodes:
        groups[node.accelerator].append(node)
    return [
        Accelerator(name, sum(node.gpus for node in group), min(node.cpus_per_gpu for node in group))
        for name, group in groups.items()
    ]


@dataclass(frozen=True)
class _Probing:
    plan: StudyPlan
    record: PackingRecord
    nodes: list[_Node]
    most: dict[str, int]
    mps: dict[str, str] | None
    notice: Notice

    def request(self, arm: PlannedArm, accelerator: str) -> ProbeRequest:
        """Return the probe of an arm on a type of accelerator."""
        config = probed_config(arm, self.plan.definition.space.nuisance).model_dump(mode="json")
        return ProbeRequest(config, "", self.most[accelerator], self.mps, WINDOW_S)


def _probe_missing(probing: _Probing, groups: list[tuple[str, tuple[PlannedArm, ...]]]) -> None:
    """Probe the first arm of every group, on nodes of its type side by side; what is found counts for the group."""
    import ray

    if not groups:
        return
    probing.notice(f"measuring how many trials share a GPU: {len(groups)} arms of different cost, up to minutes each")
    places = {name: cycle([node for node in probing.nodes if node.accelerator == name]) for name in dict(groups)}
    waiting = {
        probe_on(next(places[name]).node_id, probing.request(group[0], name), cpus=_cpus(probing, name)): (name, group)
        for name, group in groups
    }
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        name, group = waiting.pop(done)
        try:
            host, found = ray.get(done)
        except ray.exceptions.RayError as error:
            _LOG.warning("%s could not be probed on %s: %s", group[0].arm.name, name, str(error).splitlines()[0])
            continue
        _note(probing, name, group, host, found)


def _cpus(probing: _Probing, accelerator: str) -> float:
    """Return the CPUs that belong to one GPU, so that probes side by side do not disturb each other."""
    return min(node.cpus_per_gpu for node in probing.nodes if node.accelerator == accelerator)


def _note(probing: _Probing, accelerator: str, group: tuple[PlannedArm, ...], host: str, found: Probe) -> None:
    first = group[0].arm.name
    probed = ProbedArm(
        group[0].arm.arm_id, first, accelerator, shape_of(probing.plan, group[0]), first, host, time.time(), found
    )
    best = probed.packing()
    if best is None:  # nothing is recorded, so the next run tries again
        reason = next((each.message for each in found.measurements if each.message), "nothing was measured")
        _LOG.warning("%s could not be probed on %s, so each of its trials gets a GPU: %s", first, accelerator, reason)
        return
    for arm in group:
        probing.record.add(replace(probed, arm_id=arm.arm.arm_id, arm=arm.arm.name))
        probing.notice(f"{arm.arm.name} on {accelerator}: {described(best)}")


def probe_on(node_id: str, request: ProbeRequest, *, cpus: float) -> Any:
    """Probe on a node with a whole GPU; return Ray's reference to the host's name and the ``Probe``."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(_probe_here).options(
        num_gpus=1,
        num_cpus=math.floor(cpus),
        max_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
    )
    return task.remote(request)


def _probe_here(request: ProbeRequest) -> tuple[str, Probe]:
    return socket.gethostname(), probe(replace(request, cache=str(dataset_cache())))
