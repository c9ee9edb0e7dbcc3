"""Failed attempts, those of equal kind and message as one."""

from __future__ import annotations

import pandas as pd

from results.page.model import FailureShown

_KEY = ["arm", "stage", "kind", "message"]


def failures_shown(failures: pd.DataFrame) -> tuple[FailureShown, ...]:
    """Return the failures, the most frequent first."""
    if failures.empty:
        return ()
    grouped = failures.groupby(_KEY, sort=False).agg(attempts=("attempt", "size"), trials=("trial_id", "nunique"))
    ordered = grouped.reset_index().sort_values("attempts", ascending=False, kind="stable")
    return tuple(
        FailureShown(
            arm=str(row["arm"]),
            stage=str(row["stage"]),
            kind=str(row["kind"]),
            message=str(row["message"]),
            attempts=int(row["attempts"]),
            trials=int(row["trials"]),
        )
        for row in ordered.to_dict("records")
    )
