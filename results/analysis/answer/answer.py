"""The arm that validation images choose, and how it stands on test images against shared, separate and the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from results.analysis.chance import known, mean_chance
from results.analysis.confirmed import ConfirmedResults
from results.analysis.inference.verdicts import Verdict, Verdicts
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
        gain, gap: The verdicts on ``chosen`` and shared, and on ``chosen`` and separate.
        equals: Candidates that the seeds cannot tell from ``chosen``, by ascending cost.
        better: Candidates that they show to be better than ``chosen`` on test images.
        seeds: Train seeds of all arms.
        tasks: Number of tasks behind a mean.
        chance: Mean chance level of the tasks.
    """

    chosen: Standing
    candidates: int
    shared: Standing | None
    separate: Standing | None
    gain: Verdict | None
    gap: Verdict | None
    equals: tuple[Standing, ...]
    better: tuple[Standing, ...]
    seeds: tuple[int, ...]
    tasks: int
    chance: float | None


def answer_of(
    summary: pd.DataFrame, confirmed: ConfirmedResults, validation: Mapping[str, float], verdicts: Verdicts
) -> Answer | None:
    """Return the answer of a study; None until an arm other than the references has confirm results.

    Args:
        summary: The ``summary`` table.
        confirmed: The confirm trials that are reported.
        validation: The validation accuracy of those trials by ``arm_id``, see ``validation_means``.
        verdicts: On all pairs of arms with results.
    """
    reported = summary[summary[f"{METRIC}_mean"].notna()]
    rows = {str(row["arm"]): row for row in reported.to_dict("records")}
    references = {name: _standing(rows[name]) for name in REFERENCE_ARMS if name in rows}
    candidates = _candidates(rows, references.get("separate"))
    if not candidates:
        return None
    chosen = max(candidates, key=lambda arm: validation.get(rows[arm]["arm_id"], float("-inf")))
    against = {arm: verdicts.of(chosen, arm) for arm in rows if arm != chosen}
    others = {arm: found for arm, found in against.items() if arm in candidates}
    equals = [_standing(rows[arm]) for arm, found in others.items() if found is None or not found.told_apart]
    return Answer(
        _standing(rows[chosen]),
        len(candidates),
        references.get("shared"),
        references.get("separate"),
        against.get("shared"),
        against.get("separate"),
        tuple(sorted(equals, key=_cost)),
        tuple(_standing(rows[arm]) for arm, found in others.items() if found is not None and found.worse),
        verdicts.scores.seeds,
        confirmed.by_task().shape[1],
        mean_chance(confirmed, METRIC),
    )


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
