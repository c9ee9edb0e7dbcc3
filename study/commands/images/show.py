"""``modstudy data``: the images and labels of a study."""

from __future__ import annotations

from pathlib import Path

from results.report.wording import count
from study.definition.validation import error_context
from study.layout import dataset_cache
from study.session.target import find_target
from study.terminal.display import Heading, open_console, print_table, say

_NAMED_CORRUPT = 10
_NAMED_CLASSES = 20


def show_data(given: Path, runs: Path) -> None:
    """Print images, classes and unlabelled images by split and task, decoding the images if necessary.

    Raises:
        UserError: files, columns or tasks are inconsistent.
    """
    from trainables.data import describe_dataset

    target = find_target(given, runs)
    definition = target.definition
    console = open_console()
    with console.status("decoding images"), target.named(), error_context("data"):
        found = describe_dataset(definition.data, definition.seeds.data_seed, dataset_cache())
    headings = [Heading("task", numeric=False), Heading("split", numeric=False), Heading("unlabelled")]
    rows = [
        [
            counts.task,
            counts.split,
            count(counts.unlabelled),
            _by_class(counts.classes),
        ]
        for counts in sorted(found.tasks, key=lambda counts: definition.data.tasks.index(counts.task))
    ]
    print_table(console, [*headings, Heading("images per class", numeric=False)], rows)
    images = ", ".join(f"{split} {number:,}" for split, number in found.images.items())
    say(console, f"images: {images}; corrupt: {len(found.corrupt_images)}")
    for image in found.corrupt_images[:_NAMED_CORRUPT]:
        say(console, f"corrupt: {image}: {image.reason}")
    say(console, f"decoded images: {found.folder}")


def _by_class(classes: dict[str, int]) -> str:
    """Return the counts in class order; only the first of very many classes (people)."""
    named = [f"{name} {images:,}" for name, images in list(classes.items())[:_NAMED_CLASSES]]
    rest = len(classes) - len(named)
    return ", ".join([*named, f"and {rest:,} more classes"] if rest else named)
