"""The faults of ``benchmarks.chaos`` that befall processes: what is killed or stopped, each drawn from a seed."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from benchmarks.chaos_mlflow import Server
from benchmarks.chaos_places import Place
from benchmarks.loopback_cluster import LoopbackCluster, Node

_STOPPED_S = 2.0


@dataclass
class Scene:
    """What there is to be damaged.

    Attributes:
        chance: the source of all choices.
        nodes: the cluster.
        place: where runs are kept.
        driver: the process that runs the study now.
        server: the MLflow server, None without tracking.
    """

    chance: random.Random
    nodes: LoopbackCluster
    place: Place
    driver: subprocess.Popen[str] | None = None
    server: Server | None = None


Fault = Callable[[Scene], bool]
"""Injects one fault; returns whether there was something to damage."""


def kill_worker(scene: Scene) -> bool:
    """Kill -9 of a process that trains."""
    return _signal_trainer(scene, signal.SIGKILL)


def stop_worker(scene: Scene) -> bool:
    """SIGSTOP of a process that trains; only the silence watch ends it."""
    return _signal_trainer(scene, signal.SIGSTOP)


def _signal_trainer(scene: Scene, number: signal.Signals) -> bool:
    trainers = [process for node in scene.nodes.living() for process in node.trainers()]
    if not trainers:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        scene.chance.choice(trainers).send_signal(number)
    return True


def kill_node(scene: Scene) -> bool:
    """A node is lost with all its processes; another one joins."""
    node = _some_node(scene)
    if node is not None:
        node.kill()
        scene.nodes.add_node()
    return node is not None


def kill_raylet(scene: Scene) -> bool:
    """Kill -9 of the raylet of a node, whose ``ray start`` then ends by itself; another one joins."""
    node = _some_node(scene)
    raylet = node.server("raylet") if node is not None else None
    if raylet is None:
        return False
    raylet.kill()
    scene.nodes.add_node()
    return True


def _some_node(scene: Scene) -> Node | None:
    living = scene.nodes.living()
    return scene.chance.choice(living) if living else None


def kill_head(scene: Scene) -> bool:
    """The head is lost: the run ends, and goes on with a new cluster."""
    if not scene.nodes.head.is_alive:
        return False
    scene.nodes.head.kill()
    return True


def kill_gcs(scene: Scene) -> bool:
    """Kill -9 of the head's service alone; its ``ray start`` then ends by itself, and the run with it."""
    service = scene.nodes.head.server("gcs_server")
    if service is None:
        return False
    service.kill()
    return True


def kill_driver(scene: Scene) -> bool:
    """Kill -9 of the driver."""
    if scene.driver is None or scene.driver.poll() is not None:
        return False
    scene.driver.kill()
    return True


def stop_driver(scene: Scene) -> bool:
    """The driver stands still for a moment."""
    if scene.driver is None or scene.driver.poll() is not None:
        return False
    scene.driver.send_signal(signal.SIGSTOP)
    time.sleep(_STOPPED_S)
    scene.driver.send_signal(signal.SIGCONT)
    return True


def kill_mlflow(scene: Scene) -> bool:
    """Kill -9 of the MLflow server, which is started again with the next driver."""
    return scene.server is not None and scene.server.kill()


LIVE: dict[str, Fault] = {
    "kill -9 of a worker": kill_worker,
    "SIGSTOP of a worker": stop_worker,
    "kill -9 of a node": kill_node,
    "kill -9 of a raylet": kill_raylet,
    "loss of the head": kill_head,
    "kill -9 of the GCS": kill_gcs,
    "kill -9 of the driver": kill_driver,
    "SIGSTOP of the driver": stop_driver,
    "kill -9 of the MLflow server": kill_mlflow,
}
"""What happens to processes while the study runs; what can befall the place of its runs is the place's own."""
