"""What a finished trial retrieves: query images, their nearest other images, and whether these share the label."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from trainables.config.identity import trial_id
from trainables.config.trial import TrialConfig
from trainables.data.cache import cache_folder
from trainables.data.dataset import MANIFEST, DamagedCacheError, Dataset, Manifest, open_dataset
from trainables.diagnostics.task_vectors import UnreadableWeightsError
from trainables.evaluation.frozen import FrozenSplit
from trainables.evaluation.measure import embed_split
from trainables.foundation.seeds import named_seed
from trainables.training.weights import restored_model

Integers = NDArray[np.int64]

SPLIT = "test"
NEIGHBOURS = 8
MOST_IMAGES = 2_000
"""Largest number of test images among which examples are retrieved."""

_SIDE = 96
"""Largest side of an image of the examples, in pixels."""

_QUALITY = 82


@dataclass(frozen=True)
class Neighbour:
    """A retrieved image: its number in ``Examples.images``, and whether it has the query's label."""

    image: int
    right: bool


@dataclass(frozen=True)
class Query:
    """The nearest other images of one query for one task, nearest first."""

    task: str
    label: str
    image: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class Examples:
    """Examples of several trials, for the same queries.

    Attributes:
        gallery: number of images among which was searched.
        images: JPEG files by number.
        queries: by trial, in the order given.
    """

    gallery: int
    images: dict[int, bytes]
    queries: tuple[tuple[Query, ...], ...]


def prepared_here(fingerprint: str, tasks: Sequence[str], cache: Path) -> Dataset | None:
    """Return the decoded images of a study where this machine has them; None otherwise."""
    folder = cache_folder(fingerprint, cache)
    try:
        return open_dataset(folder, Manifest.read(folder / MANIFEST), tasks)
    except DamagedCacheError:
        return None


def label_associations(dataset: Dataset) -> NDArray[np.float64]:
    """Return Cramer's V between the labels of every two tasks on the test images, ``(T, T)``; NaN where undefined.

    Source: H. Cramer, *Mathematical Methods of Statistics*, 1946, section 21.9; without correction for bias.
    """
    labels = np.asarray(dataset.splits[SPLIT].labels)
    tasks = labels.shape[1]
    found = np.full((tasks, tasks), np.nan)
    for one in range(tasks):
        for other in range(one + 1):
            known = (labels[:, one] >= 0) & (labels[:, other] >= 0)
            found[one, other] = found[other, one] = _cramers_v(labels[known, one], labels[known, other])
    return found


def _cramers_v(one: Integers, other: Integers) -> float:
    from scipy.stats.contingency import association, crosstab  # here, since it loads slowly

    table = crosstab(one, other).count
    return float(association(table, method="cramer")) if min(table.shape) > 1 else float("nan")


def retrieval_examples(
    dataset: Dataset, trials: Sequence[tuple[str, TrialConfig, Path]], queries_per_task: int = 1, most_tasks: int = 8
) -> Examples:
    """Return what each trial retrieves for the same queries, which ``data_seed`` draws.

    Args:
        dataset: The images of all trials.
        trials: Id, configuration and ``weights.safetensors`` of each.
        queries_per_task: Number of queries of every task; fewer where no two images share a label.
        most_tasks: Tasks beyond the first so many are left out.

    Raises:
        UnreadableWeightsError: The weights of a trial are missing, damaged, or of another trial.
    """
    config = trials[0][1]
    seed = named_seed(config.data_seed, "examples", SPLIT)
    gallery = _gallery(dataset, np.random.default_rng(seed))
    chosen = _queries(gallery, queries_per_task, most_tasks, np.random.default_rng(seed + 1))
    found = tuple(_retrieved(gallery, chosen, dataset, trial) for trial in trials)
    shown = {query.image for own in found for query in own}
    shown |= {neighbour.image for own in found for query in own for neighbour in query.neighbours}
    images = {number: _jpeg(gallery.images[gallery.rows[number]]) for number in sorted(shown)}
    return Examples(len(gallery.rows), images, found)


def _gallery(dataset: Dataset, generator: np.random.Generator) -> FrozenSplit:
    split = dataset.splits[SPLIT]
    rows = np.arange(len(split))
    if len(rows) > MOST_IMAGES:
        rows = np.sort(generator.choice(rows, MOST_IMAGES, replace=False))
    labels = np.asarray(split.labels)[rows]
    every = np.ones(len(rows), dtype=bool)
    return FrozenSplit(SPLIT, dataset.tasks, split.images, rows, labels, {}, every, every)


def _queries(gallery: FrozenSplit, each: int, most_tasks: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Return pairs of a task's column and a query, of labels that at least one other image has."""
    pairs: list[tuple[int, int]] = []
    for column in range(min(most_tasks, len(gallery.tasks))):
        labels = gallery.labels[:, column]
        counts = np.bincount(labels[labels >= 0], minlength=1)
        able = np.flatnonzero((labels >= 0) & (counts[np.maximum(labels, 0)] > 1))
        drawn = generator.permutation(able)[:each]
        pairs += [(column, int(query)) for query in drawn]
    return pairs


def _retrieved(
    gallery: FrozenSplit, queries: Sequence[tuple[int, int]], dataset: Dataset, trial: tuple[str, TrialConfig, Path]
) -> tuple[Query, ...]:
    planned_id, config, weights = trial
    try:
        model, _ = restored_model(weights, planned_id, config, trial_id(config, dataset.fingerprint))
    except (OSError, ValueError) as error:
        raise UnreadableWeightsError(str(error)) from error
    embeddings = embed_split(model, gallery, config.compute, config.data.preprocessing)
    found = []
    for column, query in queries:
        labels, task = gallery.labels[:, column], gallery.tasks[column]
        distances = (embeddings[column] - embeddings[column, query]).square().sum(dim=-1)
        distances[torch.from_numpy(labels < 0)] = torch.inf
        distances[query] = torch.inf
        nearest = distances.argsort(stable=True)[: min(NEIGHBOURS, int((labels >= 0).sum()) - 1)].tolist()
        neighbours = tuple(Neighbour(image, bool(labels[image] == labels[query])) for image in nearest)
        found.append(Query(task, dataset.classes[task][labels[query]], query, neighbours))
    return tuple(found)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
