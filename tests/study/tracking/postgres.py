"""A PostgreSQL server of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.loopback_cluster import free_ports

SECRET = "s3cr3t/w0rd @x"  # noqa: S105 - of a server that lives for a test
ENCODED = "s3cr3t%2Fw0rd%20%40x"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    beside = shutil.which("pg_ctl")
    return found[-1].parent if found else Path(beside).parent if beside else None


class Postgres:
    """A server with data of its own on loopback, run by a user who may: the server refuses to be root's.

    Args:
        home: of its data, in folders that such a user may enter: not below pytest's, which each new session locks.
    """

    def __init__(self, home: Path) -> None:
        programs = _programs()
        if programs is None or (os.getuid() == 0 and shutil.which("runuser") is None):
            pytest.skip("PostgreSQL is not here, or root may not lend its rights away")
        self._programs = programs
        self._data = home / "data"
        home.chmod(0o777)
        (self.port,) = free_ports(1)
        word = home / "word"
        word.write_text(SECRET)
        word.chmod(0o644)
        self._call("initdb", "-U", "ann", "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8", "-N")
        word.unlink()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._call("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-m", "immediate", "stop")

    def _call(self, program: str, *arguments: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*user, str(self._programs / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")  # noqa: S603 - Debian's own programs

    def uri(self, password: str = ENCODED) -> str:
        return f"postgresql://ann:{password}@127.0.0.1:{self.port}/postgres"
