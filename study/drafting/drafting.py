"""A study file for images that somebody points at, from what is found there."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.definition.yaml_writer import one_line
from study.errors import UserError
from study.plan.plan import blaming
from trainables.config.data import DataConfig
from trainables.sources.source import SourceConfig

if TYPE_CHECKING:
    from trainables.sampling.task_findings import TaskFinding
    from trainables.sources.reading.image_sizes import StoredSize

_MOST_TASKS = 8
_SIZES = (96, 64, 48)
"""What a study of hours on a CPU can take; the smallest is the least the network takes."""

_SQUARE_ENOUGH = 1.3
_WIDTH = 110


@dataclass(frozen=True)
class Draft:
    """What a study is written from.

    Attributes:
        source: Where the images lie.
        chosen: Tasks the study is made of.
        others: Tasks it could be made of, or could not.
        images: Images by split.
        labelled: Training images with a label of any chosen task.
        size: Of the stored images, where any could be read.
    """

    source: SourceConfig
    chosen: tuple[TaskFinding, ...]
    others: tuple[TaskFinding, ...]
    images: dict[str, int]
    labelled: int
    size: StoredSize | None


def look_at(source: SourceConfig) -> Draft:
    """Find out what a study of these images can be, without decoding them.

    Raises:
        UserError: the files do not fit together, or no task can be made of their labels.
    """
    from trainables.data import SPLITS
    from trainables.sampling.task_findings import find_tasks
    from trainables.sources.reading.image_sizes import stored_size

    with blaming("data"):
        findings = find_tasks(source, 0)
    possible = [finding for finding in findings if finding.problem is None]
    if not possible:
        known = "; ".join(f"{finding.name}: {finding.problem}" for finding in findings[:_MOST_TASKS])
        raise UserError(f"{source.place}: no column can be a task; {known or 'there is none beside the images'}")
    best = sorted(possible, key=lambda finding: -finding.balance)[:_MOST_TASKS]
    chosen = tuple(finding for finding in findings if finding in best)
    with blaming("data"):
        data = DataConfig(source=source, tasks=tuple(finding.name for finding in chosen))
        images = data.open(0)
        labels = {split: images.labels(split) for split in SPLITS}
    return Draft(
        source=source,
        chosen=chosen,
        others=tuple(finding for finding in findings if finding not in chosen),
        images={split: len(own) for split, own in labels.items()},
        labelled=int(np.count_nonzero((labels["train"] >= 0).any(axis=1))),
        size=stored_size(images),
    )


def draft_study(name: str, draft: Draft) -> str:
    """Return the text of a study file: every choice that was made stands in it, with what it was made from."""
    batch = max(3, min(64, draft.labelled // 2))
    size, reason = _image_size(draft.size)
    fit = "pad" if draft.size and draft.size.longer > _SQUARE_ENOUGH * draft.size.shorter else "crop"
    capped = max(draft.images["validation"], draft.images["test"]) > 5000
    images = ", ".join(f"{split} {number:,}" for split, number in draft.images.items())
    tasks = [finding.name for finding in draft.chosen]
    noun = "task" if len(tasks) == 1 else "tasks"
    return "\n".join(
        [
            f"# Written by modstudy new from what was found: {images} images.",
            "# Every key: docs/study-file.md. How long it takes: modstudy plan STUDY --probe",
            f"name: {one_line(name)}",
            f"description: Separate networks, one shared network, masks and modulation on {len(tasks)} {noun}.",
            "data:",
            f"  source: {one_line(_source_keys(draft.source))}",
            *_source_notes(draft),
            f"  tasks: {one_line(tasks)}",
            *(f"  # {line}" for note in _task_notes(draft) for line in textwrap.wrap(note, _WIDTH)),
            f"  image_size: {size} # {reason}",
            f"  fit: {fit} # crop: the central square; pad: all of it, with white borders",
            "network: {width: 0.25, batch_norm_momentum: 0.05} # width 1 is the released network",
            f"batches: {{scheme: all_tasks, batch_size: {batch}}}",
            "optimization: {optimizer: adam, schedule: cosine, epochs: 10}",
            f"evaluation: {{triplets_per_task: 1000{', max_images: 5000' if capped else ''}}}",
            "space:",
            "  catalog: default # separate, shared, fixed and learned masks, modulation late and everywhere",
            "  nuisance:",
            "    learning_rate: {low: 1e-3, high: 3e-2, log: true}",
            "    margin: {low: 0.1, high: 0.5}",
            "search: {trials_per_arm: 4, round_size: 4}",
            "confirm: {seeds: [1, 2, 3]}",
            "resources: {cpus: 1} # with a GPU, say: {cpus: 4, gpus: 0.25}",
            "",
        ]
    )


def _source_keys(source: SourceConfig) -> dict[str, Any]:
    return {"kind": source.kind, **source.model_dump(mode="json", exclude_unset=True, exclude={"kind"})}


def _source_notes(draft: Draft) -> Iterator[str]:
    """Yield what a reader may have to add about splits."""
    keys = _source_keys(draft.source)
    if draft.source.kind != "table" or "split_column" in keys or _has_split_column(Path(draft.source.place), keys):
        return
    ids = [finding.name for finding in draft.others if finding.problem and "classes for" in finding.problem]
    example = json.dumps(ids[0], ensure_ascii=False) if ids else "product"
    yield "  # The split is drawn: 70/10/20 %. Where several images show one thing or person, name the column that says"
    yield f"  # which, so that all of one come into one split: {{kind: table, ..., group_column: {example}}}"


def _has_split_column(path: Path, keys: dict[str, Any]) -> bool:
    from trainables.sources.reading.text_files import read_table

    return "split" in read_table(path, keys.get("delimiter", ",")).columns


def _task_notes(draft: Draft) -> Iterator[str]:
    """Yield the tasks left out, those first that could be in."""
    possible = [finding.name for finding in draft.others if finding.problem is None]
    if possible:
        yield "also possible: " + ", ".join(one_line(name) for name in possible)
    for finding in draft.others:
        if finding.problem is not None:
            yield f"left out: {one_line(finding.name)}: {' '.join(finding.problem.split())}"


def _image_size(size: StoredSize | None) -> tuple[int, str]:
    if size is None:
        return _SIZES[1], "no stored image could be read to see how large they are"
    found = next((side for side in _SIZES if side <= size.shorter), _SIZES[-1])
    return found, f"about {size.shorter} to {size.longer} pixels a side are stored; larger takes longer"
