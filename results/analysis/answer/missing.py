"""Arms without any result: unfinished ones, and those all of whose trials failed."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from results.tables.metrics import HEADLINE_METRICS


@dataclass(frozen=True)
class MissingArm:
    """An arm without a test result.

    Attributes:
        arm: its name.
        stage: ``tune`` or ``confirm`` where all its trials of that stage have failed; None for an unfinished arm.
        failed: number of these trials.
        kinds: of their failures, the most frequent first.
    """

    arm: str
    stage: str | None = None
    failed: int = 0
    kinds: tuple[str, ...] = ()


def missing_arms(summary: pd.DataFrame, trials: pd.DataFrame, failures: pd.DataFrame) -> tuple[MissingArm, ...]:
    """Return the arms without a test result, in the order of the summary.

    Args:
        summary: The ``summary`` table.
        trials: The ``trials`` table.
        failures: The ``failures`` table.
    """
    lacking = summary[summary[f"{HEADLINE_METRICS[0]}_mean"].isna()]
    return tuple(
        _missing(str(arm), trials[trials["arm_id"] == arm_id], failures)
        for arm_id, arm in zip(lacking["arm_id"], lacking["arm"], strict=True)
    )


def _missing(arm: str, own: pd.DataFrame, failures: pd.DataFrame) -> MissingArm:
    confirm = own[own["stage"] == "confirm"]
    latest = confirm if len(confirm) else own
    if latest.empty or (latest["state"] != "failed").any():
        return MissingArm(arm)
    kinds = failures.loc[failures["trial_id"].isin(latest["trial_id"]), "kind"].value_counts()
    return MissingArm(arm, str(latest["stage"].iloc[0]), len(latest), tuple(map(str, kinds.index)))
