"""``modstudy ui``: MLflow for a run, with links to its run tree and arm comparison."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from study.definition.secrets import without_secrets
from study.errors import UserError
from study.session.mirror import address_of, tracker_of
from study.session.target import find_run
from study.terminal.display import open_console, say
from study.tracking.pages.routes import VIEWS, Pages


def open_mlflow(given: Path, runs: Path, port: int | None) -> None:
    """Bring MLflow up to date with a run, start its server unless one is running, print the links, and wait for Ctrl-C.

    Raises:
        UserError: the study has not been run, or the store cannot be opened.
    """
    target, console = find_run(given, runs), open_console()
    address, tracker = address_of(target), tracker_of(target)
    from study.tracking.errors import StoreError  # loads MLflow, which is known to be installed by now
    from study.tracking.server import LocalServer

    try:
        with console.status("bringing MLflow up to date"):
            experiment = tracker.sync(target.folder).experiment
        study_run, key = _noted(target.folder.mlflow_runs, "study"), _noted(target.folder.mlflow_identity, "key")
        pages = Pages(experiment, study_run, key)
        if address.is_server:
            _print_links(console, address.uri.rstrip("/"), pages)
            return
        with _ended_by_signals(), LocalServer(address, port) as server:
            _print_links(console, server.url, pages)
            say(console, "stop with Ctrl-C")
            server.wait()
    except StoreError as error:
        raise UserError(str(error)) from None
    except KeyboardInterrupt:
        say(console, "MLflow is stopped")


def _print_links(console: Console, base: str, pages: Pages) -> None:
    """Print the links to the pages of the server at ``base``."""
    routes = {"the study, its results and its arms": pages.study()}
    routes |= {text: pages.view(name) for name, text in VIEWS.items()}
    for text, route in routes.items():
        say(console, f"{text}: {without_secrets(base)}/{route}")


def _noted(file: Path, name: str) -> str:
    """Return what the sync has just written."""
    return str(json.loads(file.read_text(encoding="utf-8"))[name])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a closed terminal or a kill signal end the block like Ctrl-C, so that no server is left running.

    Ctrl-C is set too: a shell that starts the command in the background has it ignored.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
