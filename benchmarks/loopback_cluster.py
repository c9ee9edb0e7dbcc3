"""A Ray cluster of processes on this machine, as ``ray start`` makes it: for faults that only real nodes can have."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_PATIENCE_S = 120.0
_HOST = "127.0.0.1"
_PORTS = range(20_000, 32_000)
_START = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
_NOTHING_TO_DO = (
    *(f"{when}setup_commands" for when in ("", "head_", "worker_")),
    *(f"{where}_start_ray_commands" for where in ("head", "worker")),
    *("initialization_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter"),
)
"""What an autoscaler's configuration must say of nodes on other machines."""

_SMALL = ["--object-store-memory", "80000000", "--min-worker-port", "0", "--max-worker-port", "0"]


def token() -> dict[str, str]:
    """Return variables with a new token, for all nodes of a cluster and its drivers."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@dataclass
class Node:
    """One node: the process of ``ray start``, all it has started, and the file with what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        """The last it said, for messages."""
        return self.log.read_text(errors="replace")[-1000:] if self.log.exists() else ""

    @property
    def is_alive(self) -> bool:
        """Whether its ``ray start`` runs; it ends when one of its servers has ended."""
        return self.process.poll() is None

    @property
    def is_up(self) -> bool:
        """Whether its raylet has started its agents, which it does when it has its ports."""
        raylet = self.server("raylet")
        with contextlib.suppress(psutil.NoSuchProcess):
            return raylet is not None and len(raylet.children()) > 1
        return False

    def server(self, name: str) -> psutil.Process | None:
        """Return its process of this name, such as ``raylet`` or ``gcs_server``."""
        return next((process for process in self._all() if _name(process) == name), None)

    def trainers(self) -> list[psutil.Process]:
        """Return its processes that train."""
        return [process for process in self._all() if "Trainable" in _name(process)]

    def kill(self) -> None:
        """Kill -9 all its processes, as if its machine had lost power."""
        processes = self._all()
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(self.process.pid))
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def _all(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def free_ports(count: int) -> list[int]:
    """Return different ports that nothing listens on.

    They are below those that the kernel gives to connections: it could give one away before its server listens, or
    while the server is being started again.
    """
    found = list[int]()
    with contextlib.ExitStack() as held:  # held together, or one could come twice
        for port in random.sample(_PORTS, len(_PORTS)):
            if len(found) == count:
                break
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server((_HOST, port)))
                found.append(port)
    return found


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


@dataclass
class LoopbackCluster:
    """A head and any number of nodes, all on 127.0.0.1.

    Attributes:
        environment: of all its processes.
        head_cpus: CPUs that the head declares.
        jobs: whether the head serves its dashboard, to which jobs are submitted (needs ``ray[default]``).
        most_nodes: of each type that Ray's autoscaler adds by itself where they are needed.
        types: the CPUs of each type of such nodes.
        nodes: those added so far, dead ones included.
    """

    environment: Mapping[str, str]
    head_cpus: int = 0
    jobs: bool = False
    most_nodes: int = 0
    types: Sequence[int] = (1,)
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # short, for the paths of Ray's sockets
        self.port, self._dashboard_port = free_ports(2)
        head = ["--head", "--port", str(self.port), "--temp-dir", str(self._folder), "--num-cpus", str(self.head_cpus)]
        head += ["--include-dashboard", str(self.jobs).lower(), "--dashboard-port", str(self._dashboard_port)]
        self.head = self._start(*head, *(["--autoscaling-config", self._scaling()] if self.most_nodes else []))
        try:
            self._wait_for_head()
        except BaseException:  # nobody else knows the process yet
            self.end()
            raise

    @property
    def address(self) -> str:
        """Where a driver joins it."""
        return f"{_HOST}:{self.port}"

    @property
    def dashboard(self) -> str:
        """Where jobs are submitted."""
        return f"http://{_HOST}:{self._dashboard_port}"

    def add_node(self, **variables: str) -> Node:
        """Start another node of one CPU and wait until it is up: two that start at once take each other's ports.

        Raises:
            RuntimeError: It ended at once, or never came up, though there is a head to join; with what it said.
        """
        node = self._start("--address", self.address, "--num-cpus", "1", **variables)
        self.nodes.append(node)
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and node.is_alive and not node.is_up:
            time.sleep(0.2)
        if self.head.is_alive and not node.is_up:
            raise RuntimeError(f"a node could not join {self.address}: {node.said}")
        return node

    def living(self) -> list[Node]:
        """Return the nodes that run, without the head."""
        return [node for node in self.nodes if node.is_alive]

    def end(self) -> None:
        """End all its processes."""
        for node in (*self.nodes, self.head):
            node.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _scaling(self) -> str:
        """Write the autoscaler's configuration: Ray's own provider of nodes on one machine, made for its tests."""
        kind = {"node_config": {}, "min_workers": 0, "max_workers": self.most_nodes}
        kinds = {f"cpus_{cpus}": kind | {"resources": {"CPU": cpus}} for cpus in self.types}
        head = {"node_config": {}, "resources": {"CPU": self.head_cpus}, "max_workers": 0}
        config = {
            "cluster_name": "loopback",
            "max_workers": self.most_nodes * len(self.types),
            "provider": {"type": "fake_multinode", "gcs_address": self.address},
            "available_node_types": {"ray.head.default": head, **kinds},
            "head_node_type": "ray.head.default",
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": 5,
            **{name: {} for name in ("auth", "docker", "file_mounts")},
            **{name: [] for name in _NOTHING_TO_DO},
            "file_mounts_sync_continuously": False,
        }
        path = self._folder / "autoscaler.yaml"
        path.write_text(json.dumps(config))
        return str(path)

    def _environment(self) -> dict[str, str]:
        local = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        if self.most_nodes:
            local |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
        return {**os.environ, **self.environment, **local}  # a study that ran in this process has set them otherwise

    def _start(self, *options: str, **variables: str) -> Node:
        log = self._folder / f"start-{len(self.nodes)}.log"
        agent = [
            "--dashboard-agent-listen-port",
            str(*free_ports(1)),
        ]  # nodes of one machine would share Ray's default
        with log.open("wb") as said:
            process = subprocess.Popen(
                [*_START, "--node-ip-address", _HOST, *agent, *_SMALL, *options],
                env={**self._environment(), **variables},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return Node(process, log)

    def _wait_for_head(self) -> None:
        """Wait until it can be joined: its port is open some seconds earlier, when a node that starts would end."""
        end = time.monotonic() + _PATIENCE_S
        while not self.head.is_up:
            if time.monotonic() > end or not self.head.is_alive:
                raise RuntimeError(f"no head of a cluster came up at {self.address}: {self.head.said}")
            time.sleep(0.1)
