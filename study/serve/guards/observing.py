"""Counts for Prometheus, and one line of JSON a request. Neither holds anything that a user sent.

A route is named as it was declared (``/api/image``), never as it was asked for.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


class Observations:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "modstudy_requests", "Requests by route and status.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "modstudy_request_seconds", "From arrival to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.in_progress = Gauge(
            "modstudy_searches_in_progress", "Searches, running or waiting.", registry=self.registry
        )
        self.thumbnails = Gauge(
            "modstudy_thumbnails_in_progress", "Images being made small, running or waiting.", registry=self.registry
        )
        self.images = Gauge("modstudy_images", "Images in the index.", registry=self.registry)
        self.crashes = Counter("modstudy_crashes", "Requests that met a bug.", registry=self.registry)


class Observing:
    """Counts and logs every request, and answers one that met a bug."""

    def __init__(self, app: ASGIApp, observations: Observations, log: TextIO | None) -> None:
        self._app, self._observations, self._log = app, observations, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 499  # as nginx: the client has gone

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, seen)
        except Exception as error:  # noqa: BLE001 - it is answered and logged, and the service goes on
            self._observations.crashes.inc()
            self.write(event="crash", error=type(error).__name__, at=_frames(error))
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._observations.requests.labels(method, route, str(status)).inc()
        self._observations.seconds.labels(route).observe(seconds)
        self.write(event="request", method=method, route=route, status=status, milliseconds=round(1e3 * seconds, 1))

    def write(self, **facts: Any) -> None:
        """Write a line."""
        if self._log is not None:
            line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
            print(json.dumps(line), file=self._log, flush=True)


def _frames(error: Exception) -> list[str]:
    """Return where an error arose, without its message, which may hold what a user sent."""
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)]


def standard_log() -> TextIO:
    """Return where a service logs."""
    return sys.stderr
