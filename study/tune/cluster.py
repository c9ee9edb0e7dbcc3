"""Where trials run: our own Ray instance on this machine, or the cluster at an address."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from study.errors import UserError, system_error_behind, system_error_line
from study.interruption import hear_signals_again, hearing_signals
from trainables.config.runtime import REPEATABLE_CUBLAS

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

_WITHOUT_NICENESS = {"RAY_worker_niceness": "0"}
"""Lets workers of a local Ray run as the command does, which the user has made as nice as it shall be; Ray adds 15."""

_STARTS = 2
_KNOCK_S = 10.0
_LAST_PORT = 65_535
_STDERR = 2
_HERE = "auto"
_LOOK_AFTER_SIGNALS_S = 0.005
_LONGEST_FOLDER = 40  # bytes, of 107; Ray adds /session_<date>_<microseconds>_<pid>/sockets/plasma_store

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OBJECT_STORE_BYTES = 100 * 1024 * 1024  # images are memory-mapped from disk; nothing large goes through Ray


def set_environment(*, local: bool) -> None:
    """Set Ray's and Tune's variables in this process, unless the user has set them.

    Some are read when ``ray`` is imported, so it is imported after this, where it is used.
    """
    own = _LOOPBACK_ONLY | _WITHOUT_NICENESS if local else _token_is_shown()
    for name, value in {**_ENVIRONMENT, **own}.items():
        os.environ.setdefault(name, value)


def _token_is_shown() -> dict[str, str]:
    """Return the variable that lets Ray show a cluster the token that this user's environment names, if it names one.

    The file ``~/.ray/auth_token`` alone says nothing about a cluster: Ray writes it for a local instance too, and the
    workers of a cluster without tokens end at once where the driver uses one.
    """
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return {"RAY_AUTH_MODE": "token"} if named else {}


def refuse_address(address: str) -> None:
    """Refuse what is no address of a cluster, and one where nothing listens, which Ray reports after four minutes.

    Raises:
        UserError: names the way that works.
    """
    if address == _HERE:
        return
    if address.startswith("ray://"):
        raise UserError(
            f"address {address}: a run cannot drive a cluster through Ray's client, whose connection it would have to"
            " outlive; submit it as a job (modstudy submit STUDY --address http://HEAD:8265), or run the command on a"
            " node of the cluster with --address auto"
        )
    if address.startswith(("http://", "https://")):
        raise UserError(
            f"address {address}: this is a dashboard, which takes jobs: modstudy submit STUDY --address {address};"
            " on a node of the cluster, --address auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT or "/" in host:
        raise UserError(f"address {address}: should be auto, or HOST:PORT of the cluster's head, such as 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except OSError as error:
        raise UserError(f"address {address}: no Ray cluster answers there ({first_line(error)})") from error


@contextmanager
def connected(address: str | None, threads: int) -> Iterator[None]:
    """Stay connected to Ray while the block runs.

    A Ray this process is already connected to is used as it is and left connected.

    Args:
        address: of a cluster (``auto``: the one running here); None starts one on this machine, reachable from
            nowhere else, that ends with the block or with this process.
        threads: of one trial's numerical libraries.

    Raises:
        UserError: no cluster answers at the address, or Ray cannot be started here.
    """
    set_environment(local=address is None)
    import ray

    if ray.is_initialized():
        yield
        return
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {"env_vars": _environment_of_workers(threads)},
    }
    _quiet()
    try:
        if address is None:
            _start(common)
        else:
            _join(address, common)
        hear_signals_again()  # Ray has put its own handler there
        yield
    finally:
        _end()


def _environment_of_workers(threads: int) -> dict[str, str]:
    """Return the variables that numerical libraries read when a worker loads them."""
    repeatable = {name: os.environ.get(name, value) for name, value in REPEATABLE_CUBLAS.items()}
    return dict.fromkeys(_THREAD_VARIABLES, str(threads)) | repeatable


def _end() -> None:
    """Disconnect from Ray, and end it where it is ours.

    Ray takes its signal handlers away in the midst of that, and a signal would then kill this process without a word;
    only the main thread can put ours back, so another one waits for Ray.
    """
    import ray

    thread = threading.Thread(target=ray.shutdown, name="end-ray")
    thread.start()
    while thread.is_alive():
        hear_signals_again()
        thread.join(_LOOK_AFTER_SIGNALS_S)
    hear_signals_again()


def _quiet() -> None:
    """Keep the logs of a node that dies, some fifty lines, out of our output: what ended is said by us."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_args, **_options: None


def _join(address: str, options: dict[str, Any]) -> None:
    import ray

    refuse_address(address)
    try:
        with _unheard_if_refused():
            ray.init(address=address, **options)
    except OSError as error:
        if address != _HERE:
            raise UserError(
                f"address {address}: this Ray cluster cannot be joined: {first_line(error)}; if it asks for a token,"
                " set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            ) from error
        raise UserError(f"address {address}: no Ray cluster answers there ({first_line(error)})") from error
    except Exception as error:  # Ray raises bare ones where a node does not answer in time (ray/_private/node.py)
        raise UserError(f"address {address}: this Ray cluster cannot be joined: {first_line(error)}") from error


@contextmanager
def _unheard_if_refused() -> Iterator[None]:
    """Hold back what is written to the terminal's descriptor, and drop it where the block raises.

    While a cluster refuses a token, Ray's C++ writes 36 lines; the error that it then raises says it in one.
    """
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            os.close(kept)
        held.seek(0)
        sys.stderr.write(held.read().decode(errors="replace"))
        sys.stderr.flush()


def _start(options: dict[str, Any]) -> None:
    """Start a Ray on this machine; a second time where the machine was too busy for the first, of all that may be."""
    import ray

    folder = _short_folder()
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
                **options,
            )
        except Exception as error:  # Ray raises bare ones where its processes do not start (ray/_private/node.py)
            _end()
            if attempt == _STARTS or isinstance(error, OSError | ValueError):
                raise UserError(
                    f"Ray cannot be started on this machine: {_reason(error)}; its files go to {folder}"
                    " (to change this, set RAY_TMPDIR); nothing is lost, and the same command resumes"
                ) from error
        else:
            return


def _short_folder() -> str:
    """Return where Ray may put its files: below ``RAY_TMPDIR`` or ``TMPDIR``, unless its sockets' names would not fit.

    The names of Unix sockets have 107 bytes at most; Ray's own part takes some 70 of them.

    Raises:
        UserError: no folder that may be written has a short enough name.
    """
    wanted = [os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)]
    places = [*wanted, "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - Ray makes a folder of its own in it
    for place in places:
        folder = os.path.join(os.path.abspath(place), "ray")  # noqa: PTH100, PTH118 - Ray wants text
        if len(os.fsencode(folder)) <= _LONGEST_FOLDER and os.access(place, os.W_OK | os.X_OK):
            return folder
    raise UserError(
        f"no folder for Ray's files: of {', '.join(places)} none may be written and is at most"
        f" {_LONGEST_FOLDER - len('/ray')} bytes long; set RAY_TMPDIR to such a folder"
    )


def _reason(error: Exception) -> str:
    found = system_error_behind(error)
    return system_error_line(found) if found is not None else first_line(error)


def first_line(error: Exception) -> str:
    """Return the first line of an error that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def gpus_of_cluster(address: str, threads: int) -> float:
    """Return the GPUs that the nodes of a cluster declare to Ray, all of them together.

    Raises:
        UserError: no cluster answers at the address, or it has no node that could train yet, so nobody knows.
    """
    with hearing_signals(), connected(address, threads):
        import ray

        here = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if not here.get("CPU") and not here.get("GPU"):
            raise UserError(
                f"resources.gpus: auto takes the GPUs that are there, and the cluster at {address} has no node for"
                " trials yet; set it to 1 (a GPU for each trial, or a share of one) or to 0 (train on the CPU)"
            )
        return float(here.get("GPU", 0))
