"""``modstudy ui``: MLflow opened on a run, with links to its tree and to its arms compared."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from study.commands.results import address_of, tracker_of
from study.commands.target import Target, find_run
from study.display import open_console, say
from study.errors import UserError
from study.tracking.errors import StoreError
from study.tracking.server import LocalServer
from study.tracking.views import comparison_page, tree_page


def open_mlflow(given: Path, runs: Path, port: int | None) -> None:
    """Bring MLflow up to date with a run, start its server where none runs, print the links, and wait for Ctrl-C.

    Raises:
        UserError: the study has not been run, or the store cannot be opened.
    """
    target, console = find_run(given, runs), open_console()
    address = address_of(target)
    try:
        with console.status("bringing MLflow up to date"):
            experiment = tracker_of(target).sync(target.folder).experiment
        if address.is_server:
            _print_links(console, target, address.uri.rstrip("/"), experiment)
            return
        with _ended_by_signals(), LocalServer(address, port) as server:
            _print_links(console, target, server.url, experiment)
            say(console, "stop with Ctrl-C")
            server.wait()
    except StoreError as error:
        raise UserError(str(error)) from None
    except KeyboardInterrupt:
        say(console, "MLflow is stopped")


def _print_links(console: Console, target: Target, base: str, experiment: str) -> None:
    key = json.loads(target.folder.mlflow_identity.read_text(encoding="utf-8"))["key"]
    say(console, f"the tree of runs: {tree_page(base, experiment, key)}")
    say(console, f"accuracy against added parameters: {comparison_page(base, experiment, key)}")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a closed terminal or a kill end the block as Ctrl-C does, so that no server is left behind."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
