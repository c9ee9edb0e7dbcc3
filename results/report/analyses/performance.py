"""How arms stand against one reference arm: the probability of improvement."""

from __future__ import annotations

from results.analysis.reported import Results
from results.report.markdown import escape, table
from results.report.wording import estimate


def performance_section(results: Results) -> str:
    """Return the section; empty without a reference arm, or without another one."""
    reference = results.reference
    if reference is None or results.improvements.empty:
        return ""
    rows = [
        [str(row["arm"]), estimate(row["mean"], row["low"], row["high"]), str(row["n"])]
        for row in results.improvements.sort_values("mean", ascending=False, kind="stable").to_dict("records")
    ]
    header = ["arm", f"probability of improvement over {reference}", "common seeds"]
    note = (
        f"Probability that a run of the arm beats a run of {reference} on a task drawn at random, in triplet accuracy"
        " on test images (0.5: no difference). 95 % Student t intervals over seeds."
    )
    return f"{table(header, rows)}\n\n{escape(note)}"
