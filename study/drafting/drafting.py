"""A study file drafted from the images found in a folder."""

from __future__ import annotations

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.definition.model import LONGEST_NAME
from study.definition.validation import error_context
from study.definition.yaml_writer import one_line
from study.errors import UserError
from trainables.config.data import DataConfig
from trainables.sources.source import SourceConfig

if TYPE_CHECKING:
    from trainables.sampling.task_findings import TaskFinding
    from trainables.sources.reading.image_sizes import StoredSize

_MOST_TASKS = 8
_SIZES = (96, 64, 48)
"""Image sizes that a study of hours on a CPU can handle; the smallest is the network's minimum."""

_EPOCHS, _FEWEST_STEPS = 10, 200
"""Of a trial. On 55 drawn images, 20 steps gave 0.60 triplet accuracy by colour and 200 gave 1.00 (one trial each)."""

_SQUARE_ENOUGH = 1.3
_WIDTH = 110


@dataclass(frozen=True)
class Draft:
    """The basis of a drafted study.

    Attributes:
        source: The source of the images.
        chosen: Tasks of the study.
        others: Other columns, possible as tasks or not.
        images: Images by split.
        labelled: Training images with a label of any chosen task.
        size: Size of the stored images, if any could be read.
    """

    source: SourceConfig
    chosen: tuple[TaskFinding, ...]
    others: tuple[TaskFinding, ...]
    images: dict[str, int]
    labelled: int
    size: StoredSize | None


def study_name(file: Path) -> str:
    """Return the name of a study after its file: small letters and digits, dashes for what no name of a study holds.

    Raises:
        UserError: nothing of the file's name is left.
    """
    latin = unicodedata.normalize("NFKD", file.stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9._-]+", "-", latin).strip("._-")[:LONGEST_NAME]
    if not name:
        raise UserError(f"{file}: a study is named after its file, with letters a to z and digits; choose another name")
    return name


def look_at(source: SourceConfig) -> Draft:
    """Determine what a study of these images can contain, without decoding them.

    Raises:
        UserError: the files are inconsistent, or no task can be formed from their labels.
    """
    from trainables.data import SPLITS
    from trainables.sampling.task_findings import find_tasks
    from trainables.sources.reading.image_sizes import stored_size

    with error_context("data"):
        findings = find_tasks(source, 0)
    possible = [finding for finding in findings if finding.problem is None]
    if not possible:
        known = "; ".join(f"{finding.name}: {finding.problem}" for finding in findings[:_MOST_TASKS])
        raise UserError(f"{source.place}: no column can be a task; {known or 'there is none besides the images'}")
    best = sorted(possible, key=lambda finding: -finding.balance)[:_MOST_TASKS]
    chosen = tuple(finding for finding in findings if finding in best)
    with error_context("data"):
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
    """Return the text of a study file that contains every choice with its reason."""
    batch = max(3, min(64, draft.labelled // 2))
    size, reason = _image_size(draft.size)
    fit = "pad" if draft.size and draft.size.longer > _SQUARE_ENOUGH * draft.size.shorter else "crop"
    capped = max(draft.images["validation"], draft.images["test"]) > 5000
    images = ", ".join(f"{split} {number:,}" for split, number in draft.images.items())
    tasks = [finding.name for finding in draft.chosen]
    noun = "task" if len(tasks) == 1 else "tasks"
    return "\n".join(
        [
            f"# Written by modstudy new for the images found: {images}.",
            "# All keys: docs/study-file.md. Estimated duration: modstudy plan STUDY --probe",
            f"name: {one_line(name)}",
            f"description: Separate networks, one shared network, masks and modulation on {len(tasks)} {noun}.",
            "data:",
            f"  source: {one_line(_source_keys(draft.source))}",
            *_source_notes(draft),
            f"  tasks: {one_line(tasks)}",
            *(f"  # {line}" for note in _task_notes(draft) for line in textwrap.wrap(note, _WIDTH)),
            f"  image_size: {size} # {reason}",
            f"  fit: {fit} # crop: the central square; pad: the whole image with white borders",
            "network: {width: 0.25, batch_norm_momentum: 0.05} # width 1 is the released network",
            f"batches: {{scheme: all_tasks, batch_size: {batch}}}",
            *_optimization(draft.labelled // batch),
            f"evaluation: {{triplets_per_task: 1000{', max_images: 5000' if capped else ''}}}",
            "space:",
            "  catalog: default # separate, shared, fixed and learned masks, modulation late and at every stage",
            "  nuisance:",
            "    learning_rate: {low: 1e-3, high: 3e-2, log: true}",
            "    margin: {low: 0.1, high: 0.5}",
            "  tune_own: true # also the learning rate of a modulation's own parameters, in its arms",
            "search: {trials_per_arm: 16, round_size: 4} # a first round of quasi-random values, then TPE",
            "confirm: {seeds: [1, 2, 3, 4, 5]} # how many seeds tell arms apart: docs/statistics.md",
            "resources: {cpus: 1} # GPUs are used where there are any; two trials on one: {cpus: 4, gpus: 0.5}",
            "",
        ]
    )


def _optimization(steps: int) -> Iterator[str]:
    """Yield the length of training; ``steps`` are those of a pass over the images."""
    enough = _FEWEST_STEPS // _EPOCHS
    if steps >= enough:
        yield f"optimization: {{optimizer: adam, schedule: cosine, epochs: {_EPOCHS}}}"
        return
    yield f"optimization: {{optimizer: adam, schedule: cosine, epochs: {_EPOCHS}, steps_per_epoch: {enough}}}"
    yield f"  # a pass over the images has {steps} steps, which would teach too little: {enough} steps make an epoch"


def _source_keys(source: SourceConfig) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude_unset=True)


def _source_notes(draft: Draft) -> Iterator[str]:
    """Yield what the user may have to add about splits."""
    keys = _source_keys(draft.source)
    if draft.source.kind != "table" or "split_column" in keys or _has_split_column(draft.source.at_hand(), keys):
        return
    ids = [finding.name for finding in draft.others if finding.problem and "classes for" in finding.problem]
    example = json.dumps(ids[0], ensure_ascii=False) if ids else "product"
    yield "  # The split is drawn: 70/10/20 %. Where several images show one thing or person, name the column that says"
    yield f"  # which, so that all of one come into one split: {{kind: table, ..., group_column: {example}}}"


def _has_split_column(source: SourceConfig, keys: dict[str, Any]) -> bool:
    from trainables.sources.reading.text_files import read_table

    return "split" in read_table(Path(source.place), keys.get("delimiter", ",")).columns


def _task_notes(draft: Draft) -> Iterator[str]:
    """Yield the columns that are not tasks, possible tasks first."""
    possible = [finding.name for finding in draft.others if finding.problem is None]
    if possible:
        yield "also possible: " + ", ".join(one_line(name) for name in possible)
    for finding in draft.others:
        if finding.problem is not None:
            yield f"left out: {one_line(finding.name)}: {' '.join(finding.problem.split())}"


def _image_size(size: StoredSize | None) -> tuple[int, str]:
    if size is None:
        return _SIZES[1], "no stored image could be read to determine the size"
    found = next((side for side in _SIZES if side <= size.shorter), _SIZES[-1])
    return found, f"about {size.shorter} to {size.longer} pixels a side are stored; larger sizes take longer"
