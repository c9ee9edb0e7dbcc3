"""The failures of a study: by arm and kind, by level of every factor, and their messages."""

from __future__ import annotations

import pandas as pd

from results.analysis.importance.failure_rates import failure_rates
from results.analysis.reported import Results
from results.report.answer import without_result
from results.report.markdown import bullets, table
from results.report.wording import count, percent
from results.tables.schema import INFEASIBLE

_MESSAGES_SHOWN = 20

_NOTE = (
    "Trials by level of every factor that varies. Where trials without a result are more frequent at one level, its"
    " means are over the trials that remain. Attempts that ended with their node are not counted as failed."
)


def failure_section(results: Results) -> str:
    """Failed arms, failed attempts by arm and kind with their messages, or a sentence if there were none."""
    failures, trials = results.failures, results.trials
    if failures.empty:
        return "No attempt of any trial failed."
    counts = failures.groupby(["arm", "kind"], sort=False).size().rename("failed").reset_index().to_dict("records")
    started = trials[trials["attempts"] > 0].groupby("arm")["attempts"].sum()
    rows = [[row["arm"], row["kind"], count(row["failed"]), count(started.get(row["arm"]))] for row in counts]
    shown = failures.head(_MESSAGES_SHOWN).to_dict("records")
    lines = [f"{r['arm']}, {r['stage']} trial {r['trial_id']}, attempt {r['attempt']}: {r['message']}" for r in shown]
    hidden = len(failures) - len(shown)
    lines += [f"and {hidden} more, in the failures table"] if hidden else []
    failed = failed_arms(results)
    by_kind = table(["arm", "kind", "failed attempts", "of attempts"], rows)
    return "\n\n".join([*([bullets(failed)] if failed else []), by_kind, bullets(lines), *_by_level(failures, trials)])


def failed_arms(results: Results) -> list[str]:
    """Return one sentence per arm that has no result because its trials failed."""
    infeasible = set(infeasible_arms(results.failures, results.trials))
    return [
        f"{without_result(arm)}"
        + ("; none of them can finish here: all are infeasible" if arm.arm in infeasible else "")
        for arm in results.missing
        if arm.stage is not None
    ]


def _by_level(failures: pd.DataFrame, trials: pd.DataFrame) -> list[str]:
    """Return the share of trials without a result at every level, and how to read it; nothing where nothing varies."""
    rates = failure_rates(trials, failures).to_dict("records")
    rows = [
        [
            f"{row['factor']}: {row['level']}",
            count(row["trials"]),
            count(row["without_result"]),
            percent(row["rate"]),
            count(row["diverged"]),
            count(row["infeasible"]),
            count(row["failed_attempts"]),
            count(row["lost"]),
        ]
        for row in rates
    ]
    header = ["level", "trials", "without result", "share", "diverged", "infeasible", "failed attempts", "lost nodes"]
    return [_NOTE, table(header, rows)] if rows else []


def infeasible_arms(failures: pd.DataFrame, trials: pd.DataFrame) -> list[str]:
    """Return the arms of which no trial can ever finish: killed or too large alone, or equal failures on two nodes."""
    ended = set(failures[failures["message"].str.startswith(INFEASIBLE)]["trial_id"])
    begun = trials[trials["attempts"] > 0]
    return [str(arm) for arm, own in begun.groupby("arm", sort=False)["trial_id"] if ended.issuperset(own)]
