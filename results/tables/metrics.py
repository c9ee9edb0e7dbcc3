"""All named metrics of a study: meaning, unit, and which direction is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from results.plain_text import nearest

Direction = Literal["max", "min", "none"]


@dataclass(frozen=True)
class Metric:
    """One metric. ``direction`` ``none`` marks a descriptive number that is neither better nor worse."""

    name: str
    direction: Direction
    unit: str
    meaning: str


TASK_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("triplet_accuracy", "max", "share", "frozen triplets whose positive is nearer than their negative"),
        Metric(
            "triplet_accuracy_positives",
            "max",
            "share",
            "the same for triplets whose anchor has a binary attribute and whose negative lacks it, as released",
        ),
        Metric(
            "triplet_accuracy_balanced",
            "max",
            "share",
            "the same for triplets with every class equally likely, of the anchor and of the negative",
        ),
        Metric("recall_at_1", "max", "share", "queries whose nearest other image has the query's label"),
        Metric("recall_at_5", "max", "share", "queries with an image of their label among the 5 nearest"),
        Metric("recall_at_10", "max", "share", "queries with an image of their label among the 10 nearest"),
        Metric("mean_average_precision", "max", "share", "average precision over the whole ranked gallery"),
        Metric("map_at_r", "max", "share", "average precision cut after R neighbours, R = images of the query's label"),
        Metric("r_precision", "max", "share", "share of the R nearest neighbours that have the query's label"),
    )
}
"""Metrics of one task on one split, in [0, 1], each averaged over queries or over classes."""

HEADLINE_METRICS: tuple[str, ...] = ("triplet_accuracy", "recall_at_1", "map_at_r", "mean_average_precision")
"""The metrics in the ``summary`` table, averaged over queries. Figures show the first."""

_LABELS = {"map_at_r": "MAP@R", "recall_at_1": "Recall@1", "recall_at_5": "Recall@5", "recall_at_10": "Recall@10"}

_CURVE_FAMILIES: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("train/loss", "min", "squared distance", "mean over tasks of the triplet margin loss"),
        Metric("train/triplet_loss", "min", "squared distance", "triplet margin loss of one task"),
        Metric("train/active_triplets", "none", "share", "valid triplets that still violate the margin"),
        Metric("train/valid_triplets", "none", "count", "triplets in the batches of the epoch"),
        Metric("optimization/learning_rate", "none", "1", "learning rate of the epoch"),
        Metric("modulation/dead_channels", "none", "count", "entries of all vectors of a point that give zero"),
        Metric("update_agreement/cosine", "none", "1", "mean cosine, over filters, of two tasks' loss gradients"),
        Metric(
            "update_agreement/update", "max", "1", "mean cosine, over filters, of a task's descent and the step taken"
        ),
        Metric("update_agreement/positive_share", "max", "share", "filters whose step taken descends the task's loss"),
        Metric(
            "update_agreement/conflict_share",
            "min",
            "share",
            "task pairs, per filter, that conflict",
        ),
    )
}


def metric(name: str) -> Metric:
    """Return a task metric by name.

    Raises:
        ValueError: The metric is unknown; the message names the nearest known one.
    """
    if name not in TASK_METRICS:
        raise ValueError(f"unknown metric {name!r}{nearest(name, TASK_METRICS)}")
    return TASK_METRICS[name]


def metric_label(name: str) -> str:
    """Return a metric in words."""
    return _LABELS.get(name, name.replace("_", " "))


def curve_metric(name: str) -> Metric | None:
    """Return the meaning of a curve's name, or None if this project does not define it.

    Names are paths: ``train/triplet_loss/<task>``, ``validation/<task>/triplet_accuracy``,
    ``update_agreement/cosine/<stage>/<task>:<task>``.
    """
    split, _, rest = name.partition("/")
    if split in {"validation", "test"}:
        return TASK_METRICS.get(rest.rpartition("/")[2])
    return _CURVE_FAMILIES.get("/".join(name.split("/")[:2]))
