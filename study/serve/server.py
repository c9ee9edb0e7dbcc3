"""Runs the service until a signal; requests under way are answered first."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from study.errors import UserError
from study.plan.cost import usable_cpus
from study.retrieval.faults import told_to_the_user
from study.serve.app import create_app
from study.serve.guards.connections import ImpatientProtocol
from study.serve.guards.observing import standard_log
from study.serve.settings import ServeSettings
from trainables.index import ImageIndex
from trainables.training.runtime import threads

STOPPING_SECONDS = 8
"""For requests under way when a signal comes; ``study.interruption`` ends a process that takes longer than 10."""

_BACKLOG = 256

_NOISY = ("uvicorn", "python_multipart")
"""Loggers that repeat what clients send; our own log says what happened."""


def serve_index(
    folder: Path, settings: ServeSettings, listening: Callable[[str], None], *, device: str = "cpu"
) -> None:
    """Serve an index from its folder; see ``run_server``.

    Raises:
        UserError: The index cannot be opened, or the address cannot be had.
    """
    with told_to_the_user():
        index = ImageIndex.open(folder, device=device)
    app = create_app(index, settings, standard_log())
    with threads(max(1, usable_cpus() // settings.limits.searches)):  # more than cores wait for each other
        run_server(app, settings, listening)


def run_server(app: ASGIApp, settings: ServeSettings, listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, which then raises ``KeyboardInterrupt``.

    Args:
        app: The service.
        settings: Its address; port 0 is a free one.
        listening: Called with the address of the page once connections are accepted.

    Raises:
        UserError: The address cannot be had.
    """
    with _bound(settings) as opened:
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        config = uvicorn.Config(
            app,
            http=ImpatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOPPING_SECONDS,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        listening(f"http://{host}:{opened.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[opened])


def _bound(settings: ServeSettings) -> socket.socket:
    """Return a socket that is bound to the address."""
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(address)
            opened.listen(_BACKLOG)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"--host {settings.host} --port {settings.port}: {reason}; choose another") from None
    return opened
