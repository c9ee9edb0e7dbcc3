"""The page: a few files by name, read once. No address of a request is ever taken for a path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter, Response

ASSETS = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def page() -> APIRouter:
    """Return the files of the page."""
    router = APIRouter(include_in_schema=False)
    folder = files("study.serve") / "assets"
    for address, (name, kind) in ASSETS.items():
        router.add_api_route(address, _answering((folder / name).read_bytes(), kind), methods=["GET", "HEAD"])
    return router


def _answering(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer
