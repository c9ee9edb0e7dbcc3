"""Requests that are not answered: a status and one clear line, as JSON. No path of the machine is ever in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from results.plain_text import shortened, visible

RETRY_SECONDS = 1

_PHRASES = {
    400: "the request cannot be read; multipart/form-data or JSON is expected, as /openapi.json describes",
    404: "no such address; /openapi.json lists them",
    405: "this address does not take that method; /openapi.json lists them",
}
"""What to say for errors that the framework raises."""


class Refusal(Exception):  # noqa: N818 - what it is
    """A request is refused; ``line`` is shown to whoever sent it."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status, self.line, self.headers = status, line, headers

    @property
    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(ErrorReply(error=self.line).model_dump(), self.status, self.headers)


class ErrorReply(BaseModel):
    """Why a request was refused, in one line."""

    error: str = Field(examples=["rankings: unknown task 'hel'; did you mean 'heel'?"])


def busy(what: str) -> Refusal:
    """Return the refusal of a service that has enough to do."""
    return Refusal(503, f"{what}; try again in a moment", {"Retry-After": str(RETRY_SECONDS)})


def answer_errors(app: FastAPI) -> None:
    """Answer all errors of requests as JSON of one line."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> JSONResponse:
        return error.response

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return Refusal(422, _first(error.errors())).response

    @app.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> JSONResponse:
        line = _PHRASES.get(error.status_code, str(error.detail))
        return Refusal(error.status_code, line, error.headers).response

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> JSONResponse:  # raised again afterwards: ``observing`` logs it
        return Refusal(500, "the service met an error of its own; its log says where").response


def _first(errors: Any) -> str:
    """Return the first of pydantic's errors as key, rule and how many more there are; no value is repeated."""
    first = errors[0]
    place = () if first["type"] == "json_invalid" and len(first["loc"]) == 2 else first["loc"][1:]
    key = ".".join(shortened(visible(str(part)), 60) for part in place)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{key or 'request'}: {shortened(visible(first['msg']), 300)}{more}"
