"""Determines from labels alone which tasks of a data set suit a study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainables.config.data import DataConfig
from trainables.sampling.listed_triplets import triplet_items
from trainables.sources.source import SPLITS, ImageSource, Labels, SourceConfig

_MOST_CLASSES = 100
_FEWEST_A_CLASS = 5
_LARGEST_SHARE = 0.98
_LEAST_LABELLED = 0.3


@dataclass(frozen=True)
class TaskFinding:
    """The composition of a task. ``problem``: why a drafted study should leave it out; None if it is suitable.

    ``balance``: entropy of its training classes as a share of the maximum, 0 to 1.
    """

    name: str
    classes: int
    balance: float
    problem: str | None


def find_tasks(source: SourceConfig, data_seed: int) -> tuple[TaskFinding, ...]:
    """Examine all tasks that a source knows, in its order.

    Raises:
        ValueError: the files are inconsistent, regardless of the tasks.
    """
    known = source.at_hand().known_tasks()
    if not known:
        return ()
    try:
        opened = [(known, _open(source, known, data_seed))]
    except ValueError:  # a single unsuitable column may make all tasks fail
        opened = []
        findings = []
        for task in known:
            try:
                opened.append(((task,), _open(source, (task,), data_seed)))
            except ValueError as error:
                findings.append(TaskFinding(task, 0, 0.0, " ".join(str(error).split())))
        if not opened:
            raise
        found = [finding for tasks, images in opened for finding in _findings(tasks, images)]
        return tuple(sorted([*found, *findings], key=lambda finding: known.index(finding.name)))
    return tuple(finding for tasks, images in opened for finding in _findings(tasks, images))


def _open(source: SourceConfig, tasks: tuple[str, ...], data_seed: int) -> ImageSource:
    return DataConfig(source=source, tasks=tasks).open(data_seed)


def _findings(tasks: tuple[str, ...], images: ImageSource) -> list[TaskFinding]:
    labels = {split: images.labels(split) for split in SPLITS}
    triplets = {split: images.triplets(split) for split in SPLITS}
    seen: dict[bytes, str] = {}
    findings = []
    for column, task in enumerate(tasks):
        own = {split: labels[split][:, column] for split in SPLITS}
        problem = _problem(own)
        for split in SPLITS:
            try:
                triplet_items(own[split], triplets[split], task, split)
            except ValueError as error:
                problem = problem or str(error)
        everything = np.concatenate(list(own.values())).tobytes()
        if everything in seen:
            problem = problem or f"the same labels as {seen[everything]}"
        seen.setdefault(everything, task)
        findings.append(TaskFinding(task, len(np.unique(own["train"][own["train"] >= 0])), _balance(own), problem))
    return findings


def _problem(labels: dict[str, Labels]) -> str | None:
    """Return why a task is unsuitable: few labels, nearly all in one class, or a class per image."""
    train = labels["train"]
    labelled = train[train >= 0]
    if not len(labelled):
        return "no training image has a label"
    counts = np.unique(labelled, return_counts=True)[1]
    if len(counts) == 1:
        return "only one class in training"
    if len(counts) > _MOST_CLASSES or len(labelled) / len(counts) < _FEWEST_A_CLASS:
        return f"{len(counts):,} classes for {len(labelled):,} labelled training images"
    if counts.max() / len(labelled) > _LARGEST_SHARE:
        return f"one class holds {counts.max() / len(labelled):.1%} of the training images"
    if len(labelled) / len(train) < _LEAST_LABELLED:
        return f"{len(labelled) / len(train):.0%} of the training images have a label"
    return None


def _balance(labels: dict[str, Labels]) -> float:
    train = labels["train"]
    counts = np.unique(train[train >= 0], return_counts=True)[1]
    if len(counts) < 2:
        return 0.0
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts)))
