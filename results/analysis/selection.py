"""Selection rules: which trial of an arm is selected, based on validation data alone.

A rule is an object with a name and a sentence (``statement``) that is printed with every number that depends on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.tables.metrics import metric as registered_metric
from results.tables.metrics import metric_label

if TYPE_CHECKING:  # the driver and a status select without tables
    import pandas as pd

_VISIBLE = ["arm_id", "trial_id", "trial_index", "stage", "state", "objective", "objective_metric"]
"""The columns of the ``trials`` table that a rule receives. None of them contains test metrics."""

_SPLIT = "validation"


@dataclass(frozen=True)
class Candidate:
    """A finished tune trial, as seen by a rule."""

    trial_id: str
    trial_index: int
    objective: float


@dataclass(frozen=True)
class BestTrialPerArm:
    """Per arm, the completed tune trial with the highest validation mean over tasks of one metric.

    Ties go to the lower ``trial_index``, then to the lower ``trial_id``. The split is not a parameter.
    """

    metric: str = "triplet_accuracy"
    average: str = "query"

    name = "best_trial_per_arm"

    def __post_init__(self) -> None:
        if registered_metric(self.metric).direction != "max":
            raise ValueError(f"{self.name} takes the highest value, but a higher value is not better for {self.metric}")
        if self.average not in {"query", "class"}:
            raise ValueError(f"average must be query or class, got {self.average!r}")

    @classmethod
    def from_objective(cls, objective_metric: str) -> BestTrialPerArm:
        """Return the rule of an ``objective_metric`` such as ``validation/mean/triplet_accuracy/query``.

        Raises:
            ValueError: The objective has a different form or was not measured on the validation split.
        """
        match objective_metric.split("/"):
            case [split, "mean", metric, average] if split == _SPLIT:
                return cls(metric, average)
        raise ValueError(f"objective_metric must be {_SPLIT}/mean/<metric>/<average>, got {objective_metric!r}")

    @property
    def objective_metric(self) -> str:
        """The ``objective_metric`` of the trials this rule compares."""
        return f"{_SPLIT}/mean/{self.metric}/{self.average}"

    @property
    def statement(self) -> str:
        """The sentence printed with every number that depends on this rule."""
        over = "queries" if self.average == "query" else "classes"
        return (
            f"{self.name}: of each arm, the completed tune trial with the highest {metric_label(self.metric)} on "
            f"validation images (averaged over {over}, mean over tasks, last epoch); ties go to the earlier trial"
        )

    def best(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """Return the selected trial of one arm; None if no candidate has a numeric objective."""
        numbers = [candidate for candidate in candidates if not math.isnan(candidate.objective)]
        return min(numbers, key=lambda c: (-c.objective, c.trial_index, c.trial_id), default=None)

    def select(self, trials: pd.DataFrame) -> dict[str, Candidate]:
        """Return the selected trial by ``arm_id``; arms without a completed tune trial are absent.

        Args:
            trials: The ``trials`` table.

        Raises:
            ValueError: A completed tune trial was tuned on a metric other than this rule's validation metric.
        """
        seen = trials[_VISIBLE]
        seen = seen[(seen["stage"] == "tune") & (seen["state"] == "completed")]
        foreign = seen[seen["objective_metric"] != self.objective_metric]
        if len(foreign):
            row = foreign.iloc[0]
            raise ValueError(
                f"trial {row['trial_id']} has objective {row['objective_metric']!r}, but the selection rule "
                f"compares {self.objective_metric!r}"
            )
        chosen: dict[str, Candidate] = {}
        for arm_id, rows in seen.groupby("arm_id", sort=False):
            columns = zip(rows["trial_id"], rows["trial_index"], rows["objective"].astype(float), strict=True)
            best = self.best(Candidate(str(name), int(index), float(value)) for name, index, value in columns)
            if best is not None:
                chosen[str(arm_id)] = best
        return chosen


def rule_of(trials: pd.DataFrame) -> BestTrialPerArm:
    """Return the rule that a study's trials were tuned for; the default rule if there are no trials.

    Raises:
        ValueError: The trials were tuned for different objectives.
    """
    objectives = sorted(set(trials["objective_metric"]))
    if len(objectives) > 1:
        raise ValueError(f"the trials of a study must share one objective, got {', '.join(objectives)}")
    return BestTrialPerArm.from_objective(objectives[0]) if objectives else BestTrialPerArm()
