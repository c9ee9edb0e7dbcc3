"""``modstudy serve``: an index as a service with a page."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from study.commands.arguments import on_this_machine
from study.errors import UserError

_PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}


def serve(  # noqa: PLR0913, PLR0917 - a parameter for each option of the command
    index: Annotated[
        Path, typer.Argument(metavar="INDEX", help="Folder that modstudy index wrote.", callback=on_this_machine)
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on. One that others can reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8321,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File that holds the token. Default: the variable MODSTUDY_SERVE_TOKEN.", show_default=False),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Host name by which browsers may address the service; may be repeated.")
    ] = None,
    searches: Annotated[int, typer.Option(min=1, max=64, help="Searches at once.")] = 2,
    device: Annotated[str, typer.Option(help="Where the network computes: cpu, cuda or mps.")] = "cpu",
) -> None:
    """Serve an index on this machine: a page that shows two tasks side by side, and a JSON API. Ctrl-C stops it."""
    _require_packages()
    from study.serve.server import serve_index
    from study.serve.settings import Limits, ServeSettings, read_token
    from study.terminal.display import open_console, say

    token = read_token(token_file)
    settings = ServeSettings(host, port, token, tuple(name or ()), replace(Limits(), searches=searches))
    console = open_console()

    def listening(address: str) -> None:
        say(console, f"the page: {address}" + ("" if token is None else " (it asks for the token)"))
        say(console, f"the API: {address}openapi.json; stop with Ctrl-C")

    serve_index(index, settings, listening, device=device)


def _require_packages() -> None:
    for module, package in _PACKAGES.items():
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise UserError(
                f"modstudy serve: needs the package {package}: pip install 'modulation-study[serve]'"
            ) from None
