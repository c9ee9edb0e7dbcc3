"""Where trials run: a Ray of our own on this machine, or the cluster at an address."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from study.errors import UserError

_ENVIRONMENT = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # workers use this interpreter as it is, also under `uv run`
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a trial with no GPU sees no GPU
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the journal is the log
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is a KeyboardInterrupt, see study.tune.runner
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",  # Tune's own state is never read
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the journal holds the traceback
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes a local Ray listen on 127.0.0.1 alone, as it does on macOS; on Linux it would listen on all interfaces."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # images are memory-mapped from disk; nothing large goes through Ray


def _set_environment(*, local: bool) -> None:
    """Set Ray's and Tune's variables in this process, unless the user has set them.

    Some are read when ``ray`` is imported, so it is imported after this, where it is used.
    """
    for name, value in {**_ENVIRONMENT, **(_LOOPBACK_ONLY if local else {})}.items():
        os.environ.setdefault(name, value)


@contextmanager
def connected(address: str | None, threads: int) -> Iterator[None]:
    """Be connected to a Ray while the block runs.

    A Ray this process is already connected to is used as it is and left connected.

    Args:
        address: of a cluster (``auto``: the one running here); None starts one on this machine, reachable from
            nowhere else, that ends with the block or with this process.
        threads: of one trial's numerical libraries.

    Raises:
        UserError: no cluster answers at the address.
    """
    _set_environment(local=address is None)
    import ray

    if ray.is_initialized():
        yield
        return
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": dict.fromkeys(_THREAD_VARIABLES, str(threads))},
    }
    try:
        if address is None:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                **common,
            )
        else:
            ray.init(address=address, **common)
    except ConnectionError as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from error
    try:
        yield
    finally:
        ray.shutdown()


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
            f"resources: a trial wants cpus {cpus:g} and gpus {gpus:g}, but no node has as many"
            f" (the largest has cpus {largest[0]:g}, gpus {largest[1]:g})"
        )
    return fitting


def _fitting(resources: dict[str, float], cpus: float, gpus: float) -> int:
    by_cpu = _times(resources.get("CPU", 0), cpus)
    return by_cpu if gpus == 0 else min(by_cpu, _times(resources.get("GPU", 0), gpus))


def _times(amount: float, part: float) -> int:
    return math.floor(amount / part + 1e-9)  # 0.3 holds 0.1 three times, though not in binary fractions
