"""``modstudy data check``: problems to fix before a study on this data starts, and other findings."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from results.report.wording import count
from study.definition.validation import error_context
from study.layout import RunFolder, dataset_cache
from study.session.target import find_target
from study.terminal.display import Heading, open_console, print_table, say
from trainables.config.data import DataConfig
from trainables.sources.registry import detect_source

if TYPE_CHECKING:
    from trainables.data import TaskCounts
    from trainables.sampling.checks import DatasetCheck

EXIT_MUST_FIX = 1
_NAMED = 10
_SPLITS = ("train", "validation", "test")


def check_data(given: Path, runs: Path) -> int:
    """Print counts, duplicates, corrupt images and problems; decode the images if necessary.

    Args:
        given: a study file, the folder of a run, or a folder of data, whose kind is detected and all of whose
            tasks are checked.
        runs: the folder of run folders.

    Returns:
        The exit code: 1 if something must be fixed, else 0.

    Raises:
        UserError: files, columns or tasks are inconsistent, or the folder contains data of no known kind.
    """
    from trainables.sampling.checks import check_dataset

    console = open_console()
    data, data_seed, named = _data_of(given, runs)
    with console.status("decoding images"), named, error_context("data"):
        found = check_dataset(data, data_seed, dataset_cache())
    say(console, f"{data.source.kind}: {data.source.place}")
    _print_tasks(console, found, data.tasks)
    _print_images(console, found)
    for note in found.notes:
        say(console, f"note: {note}")
    for problem in found.must_fix:
        say(console, f"must be fixed: {problem}")
    say(console, f"{len(found.must_fix)} problems; decoded images: {found.description.folder}")
    return EXIT_MUST_FIX if found.must_fix else 0


def _data_of(given: Path, runs: Path) -> tuple[DataConfig, int, AbstractContextManager[None]]:
    if given.is_dir() and not RunFolder(given.resolve()).definition.is_file():
        with error_context("data"):
            source = detect_source(given.resolve())
            return DataConfig(source=source, tasks=source.known_tasks()), 0, nullcontext()
    target = find_target(given, runs)
    return target.definition.data, target.definition.seeds.data_seed, target.named()


def _print_tasks(console: Console, found: DatasetCheck, tasks: tuple[str, ...]) -> None:
    counts = {(row.task, row.split): row for row in found.description.tasks}
    headings = [Heading("task", numeric=False), Heading("classes"), *map(Heading, _SPLITS), Heading("fewest")]
    rows = [
        [
            task,
            count(len(counts[task, "train"].classes)),
            *(_labelled(counts[task, split]) for split in _SPLITS),
            _fewest(counts[task, "train"]),
        ]
        for task in tasks
    ]
    print_table(console, headings, rows)
    say(console, "images with a label (+ without one); fewest: images of the smallest class of the training split")


def _labelled(counts: TaskCounts) -> str:
    labelled = count(sum(counts.classes.values()))
    return f"{labelled} (+{count(counts.unlabelled)})" if counts.unlabelled else labelled


def _fewest(counts: TaskCounts) -> str:
    return count(min(counts.classes.values())) if counts.classes else "-"


def _print_images(console: Console, found: DatasetCheck) -> None:
    described = found.description
    images = ", ".join(f"{split} {number:,}" for split, number in described.images.items())
    say(
        console, f"images: {images}; corrupt: {len(described.corrupt_images)}, a share of {described.corrupt_share:.2%}"
    )
    for image in described.corrupt_images[:_NAMED]:
        say(console, f"corrupt: {image.finding}")
    if (more := len(described.corrupt_images) - _NAMED) > 0:
        say(console, f"corrupt: and {more} more")
    say(console, f"duplicates: {found.duplicates.sentence}")
    for groups, where in ((found.duplicates.across, "in two splits"), (found.duplicates.inside, "in one split")):
        for group in groups:
            say(console, f"{where}: {' = '.join(group)}")
