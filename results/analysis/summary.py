"""The ``summary`` table: one row per arm, from confirm trials on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from results.analysis.confirmed import SPLIT, ConfirmedResults, confirmed_results, seed_values
from results.analysis.edges import edge_choices
from results.analysis.selection import BestTrialPerArm, rule_of
from results.analysis.statistics import (
    Estimate,
    paired_difference,
    resampled_means,
    seed_estimate,
    student_means,
)
from results.analysis.tradeoff import on_front_probability
from results.tables.metrics import HEADLINE_METRICS
from results.tables.schema import FACTORS, LEDGER, SCHEMAS
from results.tables.store import arrow_table, frame_of

REFERENCE_ARMS = ("shared", "separate")
"""Arms that every other arm is compared with, if the study has them: all weights shared, and one network per task."""

_LEDGER = [column.name for column in LEDGER]


def summarize(
    trials: pd.DataFrame, task_metrics: pd.DataFrame, storage: pd.DataFrame, rule: BestTrialPerArm | None = None
) -> pd.DataFrame:
    """Compute the ``summary`` table.

    Arms come in the order of ``storage``. An arm without confirm results keeps its row, with empty metrics.

    Args:
        trials: The ``trials`` table of one study.
        task_metrics: Its ``task_metrics`` table.
        storage: Its ``storage`` table.
        rule: How nuisance values are selected; None uses the rule that the trials were tuned for.

    Returns:
        A frame of the table's schema, as ``read_table`` would return it.

    Raises:
        ValueError: Trials were tuned for different objectives, or two confirm trials count for the same seed.

    Example:
        >>> from results.tables.store import arrow_table, frame_of
        >>> tables = [frame_of(arrow_table(name, [])) for name in ("trials", "task_metrics", "storage")]
        >>> len(summarize(*tables))  # no arm yet
        0
    """
    confirmed = confirmed_results(trials, task_metrics, rule or rule_of(trials))
    arms = pd.concat([storage[["study", "arm_id", "arm"]], trials[["study", "arm_id", "arm"]]])
    rows: dict[str, dict[str, Any]] = {
        str(arm["arm_id"]): {str(name): value for name, value in arm.items()}
        for arm in arms.drop_duplicates("arm_id").to_dict("records")
    }
    factors = [column.name for column in FACTORS]
    first = trials.drop_duplicates("arm_id")[["arm_id", *factors, "training_cost"]]
    own = _by_arm(first)
    counted = dict(iter(confirmed.trials.groupby("arm_id")))
    totals = storage[storage["kind"] == "total"][["arm_id", *_LEDGER]]
    ledgers = _by_arm(totals)
    for arm_id, row in rows.items():
        row.update(own.get(arm_id, {"training_cost": None}))
        row.update(_identity(arm_id, counted.get(arm_id), confirmed))
        row.update(_ledger(ledgers.get(arm_id, {})))
    _add_estimates(rows, confirmed)
    _add_differences(rows, confirmed.by_seed())
    _add_front(rows, confirmed.by_seed())
    for edge in edge_choices(trials, confirmed.rule):
        rows[edge.arm_id]["at_edge"] = "; ".join(filter(None, (rows[edge.arm_id].get("at_edge"), edge.note)))
    frame = pd.DataFrame(list(rows.values()), columns=SCHEMAS["summary"].names)
    return frame_of(arrow_table("summary", frame))


def _identity(arm_id: str, counted: pd.DataFrame | None, confirmed: ConfirmedResults) -> dict[str, Any]:
    """Return the arm's selected tune trial and its confirm trials (``counted``, those that have completed)."""
    seeds = [] if counted is None else sorted(int(seed) for seed in counted["train_seed"])
    chosen = confirmed.chosen.get(arm_id)
    return {
        "n_seeds": len(seeds),
        "seeds": ",".join(map(str, seeds)),
        "split": SPLIT,
        "selection_rule": confirmed.rule.statement,
        "selected_trial_id": chosen.trial_id if chosen else None,
        "validation_objective": chosen.objective if chosen else None,
        "seconds_mean": None if counted is None else float(counted["seconds"].mean()),
    }


def _by_arm(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the other columns of rows by ``arm_id``, each of which has one."""
    rows = ({str(name): value for name, value in row.items()} for row in frame.to_dict("records"))
    return {str(row.pop("arm_id")): row for row in rows}


def _ledger(total: Mapping[str, Any]) -> dict[str, Any]:
    """Return the storage of the whole model; empty for an arm that the storage table lacks."""
    if not total:
        return {}
    own: dict[str, Any] = {name: None if pd.isna(value) else value for name, value in total.items()}
    added, parameters = own["added_parameters"], own["parameters"]
    known = added is not None and parameters is not None and parameters > added
    own["added_share"] = added / (parameters - added) if known else None
    return own


def _add_estimates(rows: dict[str, dict[str, Any]], confirmed: ConfirmedResults) -> None:
    for metric in HEADLINE_METRICS:
        means = confirmed.by_seed(metric)
        worst = confirmed.by_task(metric).groupby("arm_id").mean().min(axis=1).to_dict()
        for arm_id, row in rows.items():
            values = seed_values(means, arm_id)
            if values:
                row.update(_columns(metric, seed_estimate(np.array(list(values.values())))))
                row[f"{metric}_worst_task_mean"] = worst[arm_id]


def _add_differences(rows: dict[str, dict[str, Any]], by_seed: pd.DataFrame) -> None:
    for reference in REFERENCE_ARMS:
        reference_id = next((arm_id for arm_id, row in rows.items() if row["arm"] == reference), None)
        if reference_id is None:
            continue
        theirs = seed_values(by_seed, reference_id)
        for arm_id, row in rows.items():
            difference = paired_difference(seed_values(by_seed, arm_id), theirs) if arm_id != reference_id else None
            if difference:
                row.update(_columns(f"delta_{reference}", difference))


def _columns(name: str, estimate: Estimate) -> dict[str, float | None]:
    student, bootstrap = estimate.student, estimate.bootstrap
    return {
        f"{name}_mean": student.mean,
        f"{name}_low": student.low,
        f"{name}_high": student.high,
        f"{name}_bootstrap_low": bootstrap.low,
        f"{name}_bootstrap_high": bootstrap.high,
    }


def _add_front(rows: dict[str, dict[str, Any]], by_seed: pd.DataFrame) -> None:
    known = [arm_id for arm_id in by_seed.index if rows[arm_id].get("added_parameters") is not None]
    if not known:
        return
    cost = np.array([rows[arm_id]["added_parameters"] for arm_id in known], dtype=np.float64)
    values = by_seed.loc[known].to_numpy(dtype=np.float64)
    for name, draws in (("on_front_probability", student_means), ("on_front_bootstrap_probability", resampled_means)):
        for arm_id, share in zip(known, on_front_probability(values, cost, draws), strict=True):
            rows[arm_id][name] = float(share)
