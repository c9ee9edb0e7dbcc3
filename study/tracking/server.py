"""MLflow's own server for one store, for one person on this machine: one worker, loopback, gone when it is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from study.definition.secrets import redact
from study.definition.tracking_address import StoreAddress
from study.tracking.errors import StoreRefusedError

_HOST = "127.0.0.1"
_START_S = 120
_STOP_S = 5
_SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eleven more processes, for what a study has no use of
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONSAFEPATH": "1",  # it works in the store's folder, whose files are no modules
}


class LocalServer:
    """A server for a store that is a database; use as a context manager.

    Args:
        address: of the store.
        port: None takes a free one.
    """

    def __init__(self, address: StoreAddress, port: int | None = None) -> None:
        self._address = address
        self._port = port or _free_port()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            StoreRefusedError: it ended, or does not answer.
        """
        folder, uri = _near(self._address)
        command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(self._port)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter; a session of its own, to be ended as a whole
            [*command, "--workers", "1"],
            cwd=folder,
            env={**os.environ, **_SETTINGS, "MLFLOW_BACKEND_STORE_URI": uri},  # not in the list of processes
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and all that it started."""
        assert self._process is not None  # noqa: S101 - set by __enter__
        for order in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, order)
            except ProcessLookupError:
                break
            ends = time.monotonic() + _STOP_S
            while time.monotonic() < ends and _is_alive(self._process):
                time.sleep(0.05)
        self._process.wait()
        self._log.close()

    def wait(self) -> None:
        """Wait until the server ends, for which it has no reason of its own."""
        assert self._process is not None  # noqa: S101 - set by __enter__
        self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        begun = time.monotonic()
        while not self._answers():
            if process.poll() is not None or time.monotonic() - begun > _START_S:
                self._log.seek(0)
                said = redact(" ".join(self._log.read().decode(errors="replace").split())[-600:])
                raise StoreRefusedError(f"MLflow's server for {self._address.shown} did not start: {said}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no way to this machine
        try:
            with direct.open(f"{self.url}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def _is_alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether any process of the session is left; the first of them has to be collected to be gone."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _near(address: StoreAddress) -> tuple[Path, str]:
    """Return where to start the server and the store's address from there: of a SQLite file its name alone.

    MLflow makes a folder named like the path in the address, which differs from the file's where characters of it
    have to be escaped.
    """
    file = address.sqlite_file
    if file is None:
        return Path(tempfile.gettempdir()), address.uri
    _, question, options = address.uri.partition("?")
    name = file.name.replace("%", "%25").replace("?", "%3F")
    return file.parent, f"sqlite:///{name}{question}{options}"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((_HOST, 0))
        return int(free.getsockname()[1])
