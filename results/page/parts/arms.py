"""The arms of a page: their factors, estimates, storage, accuracy by task, and curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from results.analysis.chance import worst_chances
from results.analysis.figure_data.curves import LOSS, arm_curves
from results.analysis.inference.gain import gains
from results.analysis.inference.scores import Scores
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.page.model import Arm, Curve, Estimate
from results.report.wording import own_chance
from results.tables.schema import FACTORS

_SEPARATE = REFERENCE_ARMS[1]


def arms_shown(results: Results, scores: Scores, metrics: Sequence[str]) -> Iterable[Arm]:
    """Yield the arms in the order of the study.

    Args:
        results: The study.
        scores: The first metric of the reported trials.
        metrics: The metrics of the page.
    """
    front = set(results.points.loc[results.points["on_front"], "arm"])
    accuracy = _by_task(results.tasks, "arm_id")
    gained = _by_task(gains(scores, _SEPARATE), "arm") if _SEPARATE in scores.arms else {}
    curves, chances = _curves(results), worst_chances(results.confirmed, scores.metric)
    for row in results.summary.to_dict("records"):
        arm_id, arm, n = str(row["arm_id"]), str(row["arm"]), int(row["n_seeds"])
        yield Arm(
            id=arm_id,
            name=arm,
            factors={column.name: _text(row[column.name]) for column in FACTORS},
            metrics={name: _estimate(row, name, n) for name in metrics},
            worst={name: number(row[f"{name}_worst_task_mean"]) for name in metrics},
            worst_chance=own_chance(arm_id, chances),
            added=_whole(row["added_parameters"]),
            added_share=number(row["added_share"]),
            bytes_fp32=_whole(row["bytes_fp32"]),
            multiply_adds=_whole(row["multiply_adds_per_image"]),
            on_front=number(row["on_front_probability"]),
            front=arm in front,
            against={
                name: _estimate(row, f"delta_{name}", n)
                for name in REFERENCE_ARMS
                if number(row[f"delta_{name}_mean"]) is not None
            },
            tasks=tuple(_of_task(accuracy.get((arm_id, task)), n) for task in scores.tasks),
            gains=tuple(_of_task(gained.get((arm, task)), n) for task in scores.tasks),
            curves=curves.get(arm_id, {}),
        )


def _by_task(rows: pd.DataFrame, arm: str) -> dict[tuple[str, str], Mapping[Any, Any]]:
    return {(str(row[arm]), str(row["task"])): row for row in rows.to_dict("records")}


def _of_task(row: Mapping[Any, Any] | None, n: int) -> Estimate | None:
    if row is None or number(row["mean"]) is None:
        return None
    return Estimate(number(row["mean"]), number(row["low"]), number(row["high"]), int(row.get("n", n)))


def _curves(results: Results) -> dict[str, dict[str, Curve]]:
    """Return curves by ``arm_id`` and name."""
    if results.curves is None:
        return {}
    found: dict[str, dict[str, Curve]] = {}
    for name in (f"validation/{results.confirmed.rule.metric}", LOSS):
        frame = arm_curves(results.curves, results.confirmed.trials, name)
        for arm_id, own in frame.groupby("arm_id", sort=False):
            epochs = tuple(int(epoch) for epoch in own["epoch"])
            sides = [_rounded(own[side]) for side in ("mean", "lowest", "highest")]
            found.setdefault(str(arm_id), {})[name] = Curve(epochs, sides[0], sides[1], sides[2], int(own["n"].max()))
    return found


def _rounded(values: pd.Series[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)


def _estimate(row: Mapping[Any, Any], name: str, n: int) -> Estimate:
    low, high = (number(row[f"{name}_{bound}"]) for bound in ("low", "high"))
    return Estimate(number(row[f"{name}_mean"]), low, high, n)


def number(value: Any) -> float | None:
    """Return a number of a table, or None where it has none."""
    return None if pd.isna(value) else float(value)


def _whole(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)
