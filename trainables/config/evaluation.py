"""The sections on measurements of a trial: ``evaluation`` and ``agreement``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.foundation.section import Section

MetricName = Literal[
    "triplet_accuracy",
    "triplet_accuracy_positives",
    "triplet_accuracy_balanced",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "mean_average_precision",
    "map_at_r",
    "r_precision",
]
"""What is measured of a task."""


class EvaluationConfig(Section):
    """The splits evaluated at the end, the number of fixed triplets per task, and the epochs between validations.

    ``max_images`` limits the queries and the gallery of a split, ``max_queries`` only the queries of the rank metrics
    (both drawn with ``data_seed``); None uses all images. ``rung_metric`` is the only metric measured where a trial
    pauses; None measures all.
    """

    splits: tuple[Literal["validation", "test"], ...] = ("validation",)
    triplets_per_task: int = Field(2000, ge=1)
    validate_every: int = Field(1, ge=1)
    max_images: int | None = Field(None, ge=2)
    max_queries: int | None = Field(None, ge=1)
    rung_metric: MetricName | None = None


class AgreementConfig(Section):
    """Measures ``update_agreement`` on a fixed batch of ``images`` training images every ``every_epochs`` (0 = off)."""

    every_epochs: int = Field(0, ge=0)
    images: int = Field(64, ge=3)
