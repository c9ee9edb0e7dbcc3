"""NVIDIA's Multi-Process Service on the nodes of a run, each held by an actor there."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from study.packing.mps.control import MpsPlace, MpsUnavailableError
from study.packing.mps.service import MpsService

Notice = Callable[[str], None]

_END_S = 60.0


class _Keeper:
    """An actor on a node with GPUs that holds the Multi-Process Service of a run there, and ends it with itself."""

    def __init__(self, place: MpsPlace) -> None:
        self._service = MpsService(place)

    def start(self) -> str:
        """Start the service; return why it cannot be, empty if it runs."""
        try:
            self._service.start()
        except MpsUnavailableError as error:
            return f"{socket.gethostname()}: {error}"
        return ""

    def end(self) -> None:
        """End the service."""
        self._service.end()


class ServiceOnNodes:
    """The Multi-Process Service on all nodes with GPUs, or on none."""

    def __init__(self, keepers: list[Any], environment: dict[str, str] | None) -> None:
        self._keepers = keepers
        self.environment = environment

    def end(self) -> None:
        """End it on every node; a keeper that is gone has taken its daemon with it."""
        import ray

        self.environment = None
        ending, self._keepers = [keeper.end.remote() for keeper in self._keepers], []
        if ending:
            ray.wait(ending, num_returns=len(ending), timeout=_END_S)


@contextmanager
def service_on(nodes: list[str], place: MpsPlace, notice: Notice) -> Iterator[ServiceOnNodes]:
    """Run the service on every node while the block runs; where one of them cannot have it, on none.

    Args:
        nodes: their ids.
        place: of the daemon on each.
        notice: is told what prevents it.
    """
    if not nodes:
        yield ServiceOnNodes([], None)
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor: Any = ray.remote(_Keeper)
    keepers = [
        actor.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(place)
        for node in nodes
    ]
    obstacles = list(filter(None, ray.get([keeper.start.remote() for keeper in keepers])))
    service = ServiceOnNodes(keepers, place.environment)
    if obstacles:
        service.end()
        notice(f"without NVIDIA's Multi-Process Service, which can let more trials share a GPU: {obstacles[0]}")
    yield service
    service.end()  # in any other case the keepers end with this process's connection to Ray, and it with them
