"""The training of every arm: mean over its seeds by epoch, and the spread between the lowest and the highest seed."""

from __future__ import annotations

import pandas as pd

ACCURACY = "validation/triplet_accuracy"
LOSS = "train/loss"


def arm_curves(curves: pd.DataFrame, trials: pd.DataFrame, metric: str = ACCURACY) -> pd.DataFrame:
    """Return one row per arm and epoch over the given trials.

    Args:
        curves: The ``curves`` table.
        trials: The trials to average: those of ``ConfirmedResults.trials`` for what a report shows.
        metric: A curve's path, such as ``validation/triplet_accuracy`` or ``train/loss``.

    Returns:
        Columns ``arm_id``, ``arm``, ``epoch``, ``mean``, ``lowest``, ``highest`` and ``n`` (trials behind the row), by
        arm in the order of ``trials``, then by epoch. The spread is a range of seeds and no confidence interval.
    """
    own = curves.loc[curves["metric"] == metric, ["trial_id", "epoch", "value"]].dropna(subset="value")
    arms = trials[["trial_id", "arm_id", "arm"]].drop_duplicates("trial_id")
    rows = own.merge(arms, on="trial_id")
    found = rows.groupby(["arm_id", "epoch"], as_index=False).agg(
        mean=("value", "mean"), lowest=("value", "min"), highest=("value", "max"), n=("value", "size")
    )
    order = arms.drop_duplicates("arm_id")[["arm_id", "arm"]].reset_index(drop=True)
    order["place"] = order.index
    found = found.merge(order, on="arm_id").sort_values(["place", "epoch"], ignore_index=True)
    return found[["arm_id", "arm", "epoch", "mean", "lowest", "highest", "n"]]
