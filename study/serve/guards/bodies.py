"""Bodies of requests, received in full before anybody parses them: within a size, within a time, within a sum."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from study.serve.refusals import Refusal, busy
from study.serve.settings import Limits


class Bodies:
    """Hands on complete bodies only; a slow or endless one ends here."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with self._received(scope, receive) as body:
                if body is not None:
                    await self._app(scope, _replayed(body, receive), send)
        except Refusal as refusal:
            await refusal.response(scope, receive, send)

    @asynccontextmanager
    async def _received(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes | None]:
        """Yield the body, or None where the client has gone; it counts as held while the block runs."""
        self._refuse_announced(Headers(scope=scope).get("content-length"))
        parts: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    while True:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            break
                        part = message.get("body", b"")
                        size += len(part)
                        self._held += len(part)
                        self._refuse_size(size)
                        parts.append(part)
                        if not message.get("more_body", False):
                            break
            except TimeoutError:
                raise Refusal(408, f"the request did not arrive within {self._limits.body_seconds:g} s") from None
            yield None if message["type"] == "http.disconnect" else b"".join(parts)
        finally:
            self._held -= size

    def _refuse_announced(self, length: str | None) -> None:
        if length is not None and length.isdecimal():
            self._refuse_size(int(length[:20]))

    def _refuse_size(self, size: int) -> None:
        if size > self._limits.upload_bytes:
            raise Refusal(413, f"a request may have {self._limits.upload_bytes / 1e6:g} MB; send a smaller image")
        if self._held > self._limits.held_bytes:
            raise busy("too many uploads are arriving")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the whole body, and then what comes after it."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
