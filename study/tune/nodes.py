"""The nodes of a cluster: how many trials fit, the wait for nodes that are to come, and whether they are equal."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection

from study.errors import UserError
from study.schedule.units import Resources
from study.tune.execution import software_versions

MUST_BE_EQUAL = ("python", "modulation-study", "torch", "ray")
"""Versions that every node must share with the driver, unless the study file allows others."""

_LOOK_EVERY_S = 1.0
_ANSWER_S = 120.0


def wait_for_nodes(kinds: Collection[Resources], limit_s: float, notice: Callable[[str], None]) -> None:
    """Ask the cluster's autoscaler for nodes that trials fit into, and wait for them where there are none yet.

    Args:
        kinds: what trials reserve; each must fit.
        limit_s: the longest wait.
        notice: is told why the run waits, whenever that changes.

    Raises:
        UserError: no node has come by then.
    """
    from ray.autoscaler.sdk import request_resources

    end, told = time.monotonic() + limit_s, ""
    while (lack := _lack(kinds)) and time.monotonic() < end:
        if lack != told:
            request_resources(bundles=[_bundle(kind) for kind in kinds])
            notice(f"waiting for nodes, up to {limit_s:g} s: {lack}")
            told = lack
        time.sleep(_LOOK_EVERY_S)
    if told:
        request_resources(bundles=[])  # from now on, pending trials ask for what they need
    if lack:
        raise UserError(f"resources: {lack}; waited {limit_s:g} s for nodes (resources.wait_for_nodes_s)")


def _bundle(kind: Resources) -> dict[str, float]:
    return {"CPU": kind.cpus, **({"GPU": kind.gpus} if kind.gpus else {})}


def _lack(kinds: Collection[Resources]) -> str:
    """Return what no node has enough of for a trial of some kind; empty where all fit."""
    try:
        for kind in kinds:
            trials_at_once(kind.cpus, kind.gpus)
    except UserError as error:
        return str(error).removeprefix("resources: ")
    return ""


def require_equal_versions(notice: Callable[[str], None], *, allowed: bool) -> None:
    """Compare the software of all nodes with that of this process; call it before the first trial.

    Args:
        notice: is told of allowed differences.
        allowed: whether nodes may differ; every attempt then records its own versions, as always.

    Raises:
        UserError: a node lacks this project, or has other versions; names node and versions.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    ask = ray.remote(_versions_here)
    asked = {
        node["NodeID"]: ask.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote()
        for node in nodes
    }
    differences = []
    for node in nodes:
        try:
            there = json.loads(ray.get(asked[node["NodeID"]], timeout=_ANSWER_S))
        except ray.exceptions.RayTaskError as error:
            cause = str(error).strip().splitlines()[-1]
            name = node["NodeManagerHostname"]
            raise UserError(f"node {name}: this project cannot be loaded there: {cause}") from error
        except ray.exceptions.RayError:  # it is gone again
            continue
        if told := differing(there, software_versions()):
            differences.append(f"node {node['NodeManagerHostname']} has {told}")
    if differences and not allowed:
        raise UserError(
            f"{'; '.join(differences)}; results are equal only under equal versions: install the same on every node, or"
            " set resources.allow_other_versions: true"
        )
    for difference in differences:
        notice(f"warning: {difference}; each attempt records its versions")


def differing(there: dict[str, str], here: dict[str, str]) -> str:
    """Return the versions of a node that differ from the driver's, empty if none do."""
    return ", ".join(
        f"{name} {there.get(name)} (the driver has {here.get(name)})"
        for name in MUST_BE_EQUAL
        if there.get(name) != here.get(name)
    )


def _versions_here() -> str:
    return json.dumps(software_versions())


def trials_at_once(cpus: float, gpus: float) -> int:
    """Return how many trials with these resources fit into the nodes there are now.

    Raises:
        UserError: not a single one fits into any node.
    """
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in alive]
    fitting = sum(_fitting(resources, cpus, gpus) for resources in nodes)
    if fitting == 0:
        largest = max(node.get("CPU", 0) for node in nodes), max(node.get("GPU", 0) for node in nodes)
        raise UserError(
            f"resources: a trial needs cpus {cpus:g} and gpus {gpus:g}, but no node has as many"
            f" (the largest has cpus {largest[0]:g}, gpus {largest[1]:g})"
        )
    return fitting


def _fitting(resources: dict[str, float], cpus: float, gpus: float) -> int:
    by_cpu, here = _times(resources.get("CPU", 0), cpus), resources.get("GPU", 0)
    if gpus == 0:
        return by_cpu
    return min(by_cpu, int(here) * _times(1, gpus) if gpus < 1 else _times(here, gpus))  # no share spans two GPUs


def _times(amount: float, part: float) -> int:
    return math.floor(amount / part + 1e-9)  # 0.3 holds 0.1 three times, though not in binary fractions
