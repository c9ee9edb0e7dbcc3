"""How many trials fit into the nodes of a cluster, and what no node has enough of."""

from __future__ import annotations

import math
from collections.abc import Collection

from study.errors import UserError
from study.schedule.units import Resources


def lack_of(kinds: Collection[Resources]) -> str:
    """Return what no node has enough of for a trial of some kind; empty where all fit."""
    return fitting_of(kinds)[1]


def fitting_of(kinds: Collection[Resources]) -> tuple[dict[Resources, int], str]:
    """Return how many trials of each kind fit into the nodes there are now, or no kinds and what no node has."""
    try:
        return {kind: trials_at_once(kind.cpus, kind.gpus) for kind in kinds}, ""
    except UserError as error:
        return {}, str(error).removeprefix("resources: ")


def bundle(kind: Resources) -> dict[str, float]:
    """Return what a trial reserves, as Ray's autoscaler is asked for it."""
    return {"CPU": kind.cpus, **({"GPU": kind.gpus} if kind.gpus else {})}


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


def largest_node(kinds: Collection[Resources]) -> float:
    """Return the CPUs of the largest node there is now of those that trials may run on; 0 if there is none."""
    import ray

    with_gpus = any(kind.gpus for kind in kinds)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return max((float(node.get("CPU", 0)) for node in nodes if node.get("GPU") or not with_gpus), default=0.0)


def _fitting(resources: dict[str, float], cpus: float, gpus: float) -> int:
    by_cpu, here = _times(resources.get("CPU", 0), cpus), resources.get("GPU", 0)
    if gpus == 0:
        return by_cpu
    return min(by_cpu, int(here) * _times(1, gpus) if gpus < 1 else _times(here, gpus))  # no share spans two GPUs


def _times(amount: float, part: float) -> int:
    return math.floor(amount / part + 1e-9)  # 0.3 holds 0.1 three times, though not in binary fractions
