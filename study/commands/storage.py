"""``modstudy storage``: prints and draws what a run takes to store and to run, against its accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from results.figures.canvas import save_figure
from results.tables.files import replacing
from study.errors import UserError
from study.session.storage import StorageView, storage
from study.session.target import find_run
from study.storage.request import IMAGES, StorageRequest, request_of
from study.terminal.display import Heading, open_console, print_table, say

_SPARE_COLUMNS = (
    "ms/query",
    "query",
    "index > network",
    "ms/image",
    "added",
    "multiply-adds",
    "index/image",
    "network",
)
"""Columns that are left out where there is no room, the first ones first."""


@dataclass(frozen=True)
class StorageCommand:
    """The options as typed: lists separated by commas, numbers as 1e6 or 1000000."""

    given: Path
    runs: Path
    images: str | None = None
    tasks: int | None = None
    precision: str = "fp32"
    index_precision: str | None = None
    max_bytes: float | None = None
    max_multiply_adds: float | None = None

    def request(self) -> StorageRequest:
        """Return what is asked.

        Raises:
            UserError: a value breaks a rule.
        """
        images = IMAGES if self.images is None else tuple(_number(text) for text in self.images.split(","))
        precisions = tuple(text.strip() for text in self.precision.split(","))
        budget = {"bytes": self.max_bytes, "multiply_adds": self.max_multiply_adds}
        return request_of(images, self.tasks, precisions, self.index_precision, budget)


def show_storage(command: StorageCommand) -> None:
    """Measure what is missing, print the analysis, and write its table and figure into the run folder.

    Raises:
        UserError: an option breaks a rule, the study has not been run, or its images are missing.
    """
    request, target, console = command.request(), find_run(command.given, command.runs), open_console()

    def show(done: int, total: int, arm: str) -> None:
        say(console, f"measuring {done + 1} of {total} ({arm})")

    view = storage(target, request, show)
    titles = list(view.rows()[0])
    spare = {title: len(_SPARE_COLUMNS) - rank for rank, title in enumerate(_SPARE_COLUMNS)}
    headings = [Heading(title, numeric=title != "arm", spare=spare.get(title, 0)) for title in titles]
    print_table(console, headings, [list(row.values()) for row in view.rows()])
    for line in view.lines():
        say(console, line)
    for path in write_storage(view, target.folder.storage):
        say(console, f"written: {path}")


def write_storage(view: StorageView, folder: Path) -> tuple[Path, ...]:
    """Write ``storage.csv`` and, if an accuracy is known, the figure as PNG and SVG; return what was written."""
    table, figures = folder / "storage.csv", (folder / "storage.png", folder / "storage.svg")
    with replacing(table) as temporary:
        view.table.to_csv(temporary, index=False)
    if all(arm.accuracy is None for arm in view.arms):
        return (table,)
    figure = view.figure()
    for path in figures:
        save_figure(figure, path)
    return (table, *figures)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"images: should be numbers separated by commas, such as 1e4,1e6, got {text!r}") from None
