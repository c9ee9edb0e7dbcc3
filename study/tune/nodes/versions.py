"""Whether the nodes of a cluster have the software of the driver: results are equal only under equal versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from study.errors import UserError
from study.tune.software import software_versions

MUST_BE_EQUAL = ("python", "modulation-study", "torch", "ray")
"""Versions that every node must share with the driver, unless the study file allows others."""


@dataclass
class _Asked:
    host: str
    answer: Any
    known: bool = False


class VersionsCheck:
    """Compares the software of nodes with that of this process, each node once, those that join later too.

    Args:
        notice: is told of allowed differences.
        allowed: whether nodes may differ; every attempt then records its own versions, as always.
    """

    def __init__(self, notice: Callable[[str], None], *, allowed: bool) -> None:
        self._notice = notice
        self._allowed = allowed
        self._asked: dict[str, _Asked] = {}

    def look(self, wait_s: float) -> None:
        """Ask the nodes that are new, and compare those that answer within so many seconds; others are left to later.

        Raises:
            UserError: a node lacks this project, or has other versions; names node and versions.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = ray.remote(_versions_here)
        for node in ray.nodes():  # type: ignore[no-untyped-call]
            if node["Alive"] and node["NodeID"] not in self._asked:
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                answer = ask.options(num_cpus=0, scheduling_strategy=there).remote()
                self._asked[node["NodeID"]] = _Asked(node["NodeManagerHostname"], answer)
        open_ = {asked.answer: node for node, asked in self._asked.items() if not asked.known}
        answered = ray.wait(list(open_), num_returns=len(open_), timeout=wait_s)[0] if open_ else []
        self._compare([open_[answer] for answer in answered])

    def _compare(self, nodes: list[str]) -> None:
        import ray

        differences = []
        for node in nodes:
            asked = self._asked[node]
            try:
                there = json.loads(ray.get(asked.answer))
            except ray.exceptions.RayTaskError as error:
                cause = str(error).strip().splitlines()[-1]
                raise UserError(f"node {asked.host}: this project cannot be loaded there: {cause}") from error
            except ray.exceptions.RayError:  # it is gone again; if not, it is asked again
                del self._asked[node]
                continue
            asked.known = True
            if told := differing(there, software_versions()):
                differences.append(f"node {asked.host} has {told}")
        if differences and not self._allowed:
            raise UserError(
                f"{'; '.join(differences)}; results are equal only under equal versions: install the same on every"
                " node, or set resources.allow_other_versions: true"
            )
        for difference in differences:
            self._notice(f"warning: {difference}; each attempt records its versions")


def differing(there: dict[str, str], here: dict[str, str]) -> str:
    """Return the versions of a node that differ from the driver's, empty if none do."""
    return ", ".join(
        f"{name} {there.get(name)} (the driver has {here.get(name)})"
        for name in MUST_BE_EQUAL
        if there.get(name) != here.get(name)
    )


def _versions_here() -> str:
    return json.dumps(software_versions())
