"""Validation against test of the chosen arms: how much the choice of nuisance values flatters them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.analysis.confirmed import ConfirmedResults, seed_values
from results.analysis.statistics import student_mean


def selection_bias(trials: pd.DataFrame, confirmed: ConfirmedResults) -> pd.DataFrame:
    """Return the objective of the selected tune trials beside that of the same values with fresh seeds.

    The selected trial has the highest of several validation values, so that its own is too high on average; the confirm
    trials repeat it without being selected. What remains between their validation and test values is due to the images.

    Args:
        trials: The ``trials`` table.
        confirmed: The confirm trials that are reported.

    Returns:
        One row per arm with a selected trial: ``arm``, ``n_tune`` (completed tune trials it was selected from),
        ``selected`` (its validation value), ``validation_mean``, ``validation_low``, ``validation_high`` (confirm
        trials on validation images, 95 % Student t over seeds), ``test_mean``, ``optimism`` (selected minus
        validation_mean) and ``gap`` (validation_mean minus test_mean); NaN where unknown.
    """
    names = dict(zip(trials["arm_id"], trials["arm"], strict=True))
    tuned = trials[(trials["stage"] == "tune") & (trials["state"] == "completed")].groupby("arm_id").size()
    by_seed = confirmed.by_seed(confirmed.rule.metric, confirmed.rule.average)
    rows = []
    for arm_id, candidate in confirmed.chosen.items():
        own = confirmed.trials.loc[confirmed.trials["arm_id"] == arm_id, "objective"].astype(float)
        present = np.asarray(own.dropna(), dtype=np.float64)
        validation = student_mean(present) if len(present) else None
        test = list(seed_values(by_seed, arm_id).values())
        rows.append(
            {
                "arm": names[arm_id],
                "n_tune": int(tuned[arm_id]),
                "selected": candidate.objective,
                **{f"validation_{name}": getattr(validation, name, None) for name in ("mean", "low", "high")},
                "test_mean": float(np.mean(test)) if test else None,
            }
        )
    numbers = ["selected", "validation_mean", "validation_low", "validation_high", "test_mean"]
    frame = pd.DataFrame(rows, columns=["arm", "n_tune", *numbers]).astype(dict.fromkeys(numbers, "float64"))
    return frame.assign(
        optimism=frame["selected"] - frame["validation_mean"], gap=frame["validation_mean"] - frame["test_mean"]
    )
