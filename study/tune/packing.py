"""The GPUs of a run: which there are, and how the trials share them; what no earlier run has probed is probed first."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from study.layout import RunFolder, dataset_cache
from study.packing.decision import Accelerator, arms_to_probe, decide, most_processes, probes_on, shape_of
from study.packing.measurement import Packing as Choice
from study.packing.mps.control import WITHOUT_MPS, place_of
from study.packing.probe import WINDOW_S, Probe, Prober, ProbeRequest, modes_to_try
from study.packing.record import PackingRecord, ProbedArm, recover_packing
from study.packing.shape import probed_config
from study.packing.wording import described
from study.plan.cost import expected_epochs
from study.plan.plan import PlannedArm, StudyPlan
from study.schedule.units import Packing, Share
from study.tune.mps import Notice, service_on

_LOG = logging.getLogger(__name__)

_UNKNOWN = "GPU"

_END_S = 60.0


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
    nodes = _gpu_nodes() if probes_on(plan) or 0 < plan.gpus < 1 else []
    if not nodes:
        yield GpuSharing()
        return
    place = place_of(folder.path)
    if not probes_on(plan):  # the study file gives the share; the service lets those who share compute together
        with service_on([node.node_id for node in nodes], place, notice) as service:
            yield GpuSharing({}, dict(service.environment or WITHOUT_MPS))
        return
    found = _accelerators(nodes)
    most = {each.name: most_processes(plan.definition, found, each.name, at_once) for each in found}
    record = recover_packing(folder)
    groups = [(name, group) for name, limit in most.items() for group in arms_to_probe(plan, arms, record, name, limit)]
    wanted = bool(groups) or decide(plan, record, most, mps=True).mps
    with service_on([node.node_id for node in nodes] if wanted else [], place, notice) as service:
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

    def request(self, group: _Group, accelerator: str, *, better: bool | None) -> ProbeRequest:
        """Return the probe of the first arm of a group on a type of accelerator."""
        definition = self.plan.definition
        config = probed_config(group[0], definition.space.nuisance).model_dump(mode="json")
        epochs = sum(expected_epochs(definition, self.plan.tune_trials(arm)) for arm in group)
        modes = tuple(modes_to_try(mps=self.mps is not None, better=better))
        return ProbeRequest(config, "", self.most[accelerator], epochs, modes, WINDOW_S)


_Group = tuple[PlannedArm, ...]


def _probe_missing(probing: _Probing, groups: list[tuple[str, _Group]]) -> None:
    """Probe the first arm of every group; what is found counts for the group. All GPUs of a type work side by side."""
    if not groups:
        return
    probing.notice(f"measuring how many trials share a GPU: {len(groups)} arms of different cost, about a minute each")
    waiting = {name: deque(group for of, group in groups if of == name) for name, _ in groups}
    with _probers(probing, waiting) as free:
        _probe_all(probing, waiting, free)


@contextmanager
def _probers(probing: _Probing, waiting: Mapping[str, Collection[_Group]]) -> Iterator[list[tuple[str, Any]]]:
    """Yield a prober on every GPU that is needed, with the type of its accelerator."""
    import ray

    found = []
    for name, groups in waiting.items():
        of_type = [node for node in probing.nodes if node.accelerator == name]
        places = [node for turn in range(max(node.gpus for node in of_type)) for node in of_type if turn < node.gpus]
        cpus = min(node.cpus_per_gpu for node in of_type)  # probes side by side must not disturb each other
        found += [(name, prober_on(node.node_id, probing.mps, cpus=cpus)) for node in places[: len(groups)]]
    try:
        yield found
    finally:
        ending = [prober.end.remote() for _, prober in found]
        ray.wait(ending, num_returns=len(ending), timeout=_END_S)
        for _, prober in found:
            ray.kill(prober)


def _probe_all(probing: _Probing, waiting: dict[str, deque[_Group]], free: list[tuple[str, Any]]) -> None:
    import ray

    better: dict[str, bool] = {}
    running: dict[Any, tuple[str, Any, _Group]] = {}
    while True:
        for name, prober in free:
            if waiting[name]:
                group = waiting[name].popleft()
                request = probing.request(group, name, better=better.get(name))
                running[prober.probe.remote(request)] = name, prober, group
        if not running:
            return
        (done,), _ = ray.wait(list(running), num_returns=1)
        name, prober, group = running.pop(done)
        free = [(name, prober)]
        try:
            host, found = ray.get(done)
        except ray.exceptions.RayError as error:
            _LOG.warning("%s could not be probed on %s: %s", group[0].arm.name, name, str(error).splitlines()[0])
            continue
        best = _note(probing, name, group, host, found)
        if best is not None and not found.cut_short:
            better.setdefault(name, best.mps)


def _note(probing: _Probing, accelerator: str, group: _Group, host: str, found: Probe) -> Choice | None:
    first = group[0].arm.name
    probed = ProbedArm(
        group[0].arm.arm_id, first, accelerator, shape_of(probing.plan, group[0]), first, host, time.time(), found
    )
    best = probed.packing()
    if best is None:  # nothing is recorded, so the next run tries again
        reason = next((each.message for each in found.measurements if each.message), "nothing was measured")
        _LOG.warning("%s could not be probed on %s, so each of its trials gets a GPU: %s", first, accelerator, reason)
        return None
    for arm in group:
        probing.record.add(replace(probed, arm_id=arm.arm.arm_id, arm=arm.arm.name))
        probing.notice(f"{arm.arm.name} on {accelerator}: {described(best)}")
    return best


def prober_on(node_id: str, mps: dict[str, str] | None, *, cpus: float) -> Any:
    """Return an actor on a node that has a whole GPU for its probes."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor: Any = ray.remote(_Prober)
    return actor.options(
        num_gpus=1,
        num_cpus=math.floor(cpus),
        max_restarts=-1,  # one that a probe takes down with it must be there for the next
        scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
    ).remote(mps)


class _Prober:
    """An actor that probes one arm after another on its GPU."""

    def __init__(self, mps: dict[str, str] | None) -> None:
        self._prober = Prober(mps)

    def probe(self, request: ProbeRequest) -> tuple[str, Probe]:
        """Return the host's name and what was found there."""
        return socket.gethostname(), self._prober.probe(replace(request, cache=str(dataset_cache())))

    def end(self) -> None:
        """End the processes of the probes."""
        self._prober.close()
