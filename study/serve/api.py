"""The addresses of the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Json

from study.serve.desk import Desk
from study.serve.guards.doors import COOKIE
from study.serve.guards.observing import Observations
from study.serve.refusals import ErrorReply, Refusal
from study.serve.schemas import (
    MOST_TEXT,
    ExplainQuestion,
    ExplainReply,
    IndexedExplain,
    IndexedSearch,
    IndexReply,
    SearchQuestion,
    SearchReply,
    StateReply,
)

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": text}
    for status, text in {
        400: "The request cannot be read.",
        401: "A token is needed.",
        403: "Sent by a page of elsewhere.",
        404: "No image of the index has this id.",
        408: "The request arrived too slowly.",
        413: "Too many bytes or pixels.",
        415: "Not an image of an accepted format.",
        421: "Addressed by an unknown name.",
        422: "A value breaks a rule.",
        503: "Too much to do; Retry-After says when to try again.",
    }.items()
}

Identity = Annotated[
    str, Query(alias="id", min_length=1, max_length=MOST_TEXT, description="Of an image in the index.")
]
Upload = Annotated[bytes, File(description="The bytes of an image file.")]
SearchForm = Annotated[Json[SearchQuestion], Form(description="A search question as JSON.")]
ExplainForm = Annotated[Json[ExplainQuestion], Form(description="An explain question as JSON.")]


def searching(desk: Desk) -> APIRouter:
    """Return what is asked about the index."""
    router = APIRouter(prefix="/api", responses=REFUSALS, tags=["search"])

    @router.get("/index")
    async def index() -> IndexReply:
        """Say what is searched: tasks with their classes, number of images, limits."""
        return await desk.describe()

    @router.post("/search")
    async def search(image: Upload, query: SearchForm) -> SearchReply:
        """Find the neighbours of an uploaded image, for one or more tasks. The image is not kept."""
        return await desk.search(image, query)

    @router.post("/explain")
    async def explain(image: Upload, query: ExplainForm) -> ExplainReply:
        """Say which channels make an uploaded image and one of the index alike for a task."""
        return await desk.explain(image, query)

    @router.post("/search/indexed")
    async def search_indexed(question: IndexedSearch) -> SearchReply:
        """Find the neighbours of an image of the index."""
        return await desk.search_indexed(question)

    @router.post("/explain/indexed")
    async def explain_indexed(question: IndexedExplain) -> ExplainReply:
        """Say which channels make two images of the index alike for a task."""
        return await desk.explain_indexed(question)

    @router.get("/image", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
    async def image(identity: Identity) -> Response:
        """Return an image of the index, made small."""
        content = await desk.thumbnail(identity)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})

    return router


def sessions(session: str) -> APIRouter:
    """Return where a browser that has the token gets its cookie; ``doors`` has checked the token."""
    router = APIRouter(responses=REFUSALS, tags=["session"])

    @router.post("/api/session")
    async def sign_in(response: Response) -> StateReply:
        """Give a browser a cookie instead of the token, which it then forgets."""
        response.set_cookie(COOKIE, session, httponly=True, samesite="strict", path="/")
        return StateReply(status="signed in")

    return router


def operations(observations: Observations, ready: Callable[[], bool]) -> APIRouter:
    """Return what those ask who run the service."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def health() -> StateReply:
        """Say that the process answers."""
        return StateReply(status="alive")

    @router.get("/readyz", responses={503: REFUSALS[503]})
    async def readiness() -> StateReply:
        """Say whether searches are answered: the network is loaded, and the service is not stopping."""
        if not ready():
            raise Refusal(503, "not ready")
        return StateReply(status="ready")

    @router.get(
        "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, 401: REFUSALS[401]}
    )
    async def metrics() -> Response:
        """Return counts and times for Prometheus."""
        return Response(generate_latest(observations.registry), media_type=CONTENT_TYPE_LATEST)

    return router
