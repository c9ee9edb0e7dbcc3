"""The arm that validation images choose, and how it stands on test images against shared, separate and the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.analysis.chance import known, mean_chance
from results.analysis.confirmed import ConfirmedResults, seed_values
from results.analysis.statistics import Interval, paired_difference
from results.analysis.summary import REFERENCE_ARMS
from results.tables.metrics import HEADLINE_METRICS

METRIC = HEADLINE_METRICS[0]


@dataclass(frozen=True)
class Standing:
    """One arm: its test accuracy over seeds, and what it costs. None where it is unknown."""

    arm: str
    mean: float
    low: float | None
    high: float | None
    added_parameters: int | None
    added_share: float | None
    embeddings_per_image: int | None
    multiply_adds_per_image: int | None


@dataclass(frozen=True)
class Answer:
    """The chosen arm among the candidates, and what it is compared with.

    Candidates are the arms other than ``shared`` and ``separate`` that add fewer parameters than ``separate``, where
    that is known. Test images have no part in the choice, so its test accuracy is not the luckiest of many.

    Attributes:
        chosen: The candidate with the highest mean over its confirm trials of validation accuracy.
        candidates: Number of candidates with results.
        shared, separate: The reference arms with results.
        gain, gap: ``chosen`` minus shared and minus separate, paired by seed.
        equals: Candidates that the seeds cannot tell from ``chosen``, by ascending cost: by intervals of paired
            differences that are not corrected for the number of arms.
        better: Candidates that are better than ``chosen`` on test images by such an interval.
        seeds: Train seeds of all arms.
        tasks: Number of tasks behind a mean.
        chance: Mean chance level of the tasks.
    """

    chosen: Standing
    candidates: int
    shared: Standing | None
    separate: Standing | None
    gain: Interval | None
    gap: Interval | None
    equals: tuple[Standing, ...]
    better: tuple[Standing, ...]
    seeds: tuple[int, ...]
    tasks: int
    chance: float | None


def answer_of(summary: pd.DataFrame, confirmed: ConfirmedResults, validation: Mapping[str, float]) -> Answer | None:
    """Return the answer of a study; None until an arm other than the references has confirm results.

    Args:
        summary: The ``summary`` table.
        confirmed: The confirm trials that are reported.
        validation: The validation accuracy of those trials by ``arm_id``, see ``validation_means``.
    """
    reported = summary[summary[f"{METRIC}_mean"].notna()]
    rows = {str(row["arm"]): row for row in reported.to_dict("records")}
    references = {name: _standing(rows[name]) for name in REFERENCE_ARMS if name in rows}
    candidates = _candidates(rows, references.get("separate"))
    if not candidates:
        return None
    chosen = max(candidates, key=lambda arm: validation.get(rows[arm]["arm_id"], float("-inf")))
    by_seed = confirmed.by_seed()
    values = {arm: seed_values(by_seed, str(row["arm_id"])) for arm, row in rows.items()}
    against = {arm: _minus(values[chosen], values[arm]) for arm in rows if arm != chosen}
    equals = [_standing(rows[arm]) for arm in candidates if arm != chosen and _cannot_be_told(against[arm])]
    return Answer(
        _standing(rows[chosen]),
        len(candidates),
        references.get("shared"),
        references.get("separate"),
        against.get("shared"),
        against.get("separate"),
        tuple(sorted(equals, key=_cost)),
        tuple(_standing(rows[arm]) for arm in candidates if arm != chosen and _is_better(against[arm])),
        tuple(int(seed) for seed in by_seed.columns),
        confirmed.by_task().shape[1],
        mean_chance(confirmed, METRIC),
    )


def _minus(ours: dict[int, float], theirs: dict[int, float]) -> Interval | None:
    found = paired_difference(ours, theirs)
    return found.student if found else None


def _cannot_be_told(difference: Interval | None) -> bool:
    """Return whether the seeds leave open which of two arms is better."""
    if difference is None or difference.low is None or difference.high is None:
        return True
    return difference.low <= 0 <= difference.high


def _is_better(difference: Interval | None) -> bool:
    """Return whether the other arm is better; the difference is the chosen arm minus it."""
    return difference is not None and difference.high is not None and difference.high < 0


def _candidates(rows: dict[str, dict[Any, Any]], separate: Standing | None) -> list[str]:
    limit = None if separate is None else separate.added_parameters
    return [
        arm
        for arm, row in rows.items()
        if arm not in REFERENCE_ARMS
        and (limit is None or pd.isna(row["added_parameters"]) or row["added_parameters"] < limit)
    ]


def _standing(row: dict[Any, Any]) -> Standing:
    def whole(name: str) -> int | None:
        return None if pd.isna(row[name]) else int(row[name])

    return Standing(
        str(row["arm"]),
        float(row[f"{METRIC}_mean"]),
        known(row[f"{METRIC}_low"]),
        known(row[f"{METRIC}_high"]),
        whole("added_parameters"),
        known(row["added_share"]),
        whole("embeddings_per_image"),
        whole("multiply_adds_per_image"),
    )


def _cost(standing: Standing) -> float:
    return float("inf") if standing.added_parameters is None else standing.added_parameters
