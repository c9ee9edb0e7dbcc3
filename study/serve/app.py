"""The service as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

from fastapi import FastAPI
from starlette.types import ASGIApp

from study.serve.api import operations, searching, sessions
from study.serve.desk import Desk
from study.serve.guards.bodies import Bodies
from study.serve.guards.doors import Doors, new_session
from study.serve.guards.headers import SafeHeaders
from study.serve.guards.observing import Observations, Observing
from study.serve.page import page
from study.serve.refusals import answer_errors
from study.serve.settings import ServeSettings
from study.serve.uploads import guarding_pillow
from trainables.index import ImageIndex


def create_app(index: ImageIndex, settings: ServeSettings, log: TextIO | None = None) -> ASGIApp:
    """Return the service for an index; ``log`` takes a line of JSON a request."""
    observations = Observations()
    desk = Desk(index, settings.limits, observations)
    session = new_session()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with guarding_pillow(settings.limits.pixels):
            desk.open()
            try:
                yield
            finally:
                desk.close()

    app = FastAPI(
        title="Images alike, by task",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        strict_content_type=True,
    )
    answer_errors(app)
    app.include_router(searching(desk))
    if settings.token is not None:
        app.include_router(sessions(session))
    app.include_router(operations(observations, lambda: desk.is_open))
    app.include_router(page())
    guarded = Doors(Bodies(app, settings.limits), settings, session)
    return Observing(SafeHeaders(guarded), observations, log)
