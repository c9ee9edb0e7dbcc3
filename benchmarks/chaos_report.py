"""What ``benchmarks.chaos`` compares and reports: tables of a calm and a disturbed run, bit by bit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pandas as pd

from results.tables.store import read_table
from study.layout import RunFolder

KEYS = {
    "trials": ["trial_id"],
    "task_metrics": ["trial_id", "split", "task", "metric", "average"],
    "curves": ["trial_id", "epoch", "metric"],
    "summary": ["arm_id"],
}
HOW_IT_WAS_DONE = ["peak_memory_bytes", "attempts", "software", "mlflow_run_id"]


@dataclass
class Report:
    """What came of it.

    Attributes:
        calm_s: seconds of the calm run.
        chaos_s: seconds of each disturbed run, restarts included.
        faults: injected, by name.
        lost: rows of the calm tables that a disturbed run lacks, or has twice, or has beside them.
        differing: values that differ.
        unexpected: ends of a driver that no fault explains.
    """

    calm_s: float = 0.0
    chaos_s: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    differing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether chaos equals calm."""
        return not (self.lost or self.differing or self.unexpected)

    def lines(self) -> list[str]:
        """Return the report as text."""
        waste = sum(self.chaos_s) - self.calm_s * len(self.chaos_s)
        return [
            f"faults injected: {self.faults.total()}",
            *(f"  {count:3d} x {name}" for name, count in sorted(self.faults.items())),
            f"studies completed: {len(self.chaos_s)}, each compared with the calm one",
            f"rows lost: {self.lost}; values that differ: {len(self.differing)}",
            f"seconds lost: {waste:.0f} ({sum(self.chaos_s):.0f} against {self.calm_s:.0f} each on one worker)",
            *(f"DIFFERS: {line}" for line in (*self.differing[:20], *self.unexpected)),
        ]


def tables(run: RunFolder) -> dict[str, pd.DataFrame]:
    """Return the tables of a complete run, without what says how the work was done."""
    found = {}
    for name, key in KEYS.items():
        table = read_table(run.tables, name)
        timing = [column for column in table.columns if "seconds" in column or column in HOW_IT_WAS_DONE]
        found[name] = table.drop(columns=timing).sort_values(key).reset_index(drop=True)
    return found


def compare(calm: dict[str, pd.DataFrame], disturbed: dict[str, pd.DataFrame], report: Report) -> None:
    """Count rows that one has and the other lacks, or has twice, and note tables whose values differ in any bit."""
    for name, key in KEYS.items():
        wanted, found = (Counter(map(tuple, run[name][key].astype(str).to_numpy())) for run in (calm, disturbed))
        odd = sum(((wanted - found) + (found - wanted)).values())
        report.lost += odd
        if odd:
            continue
        try:
            pd.testing.assert_frame_equal(calm[name], disturbed[name], check_exact=True)
        except AssertionError as error:
            report.differing.append(f"{name}: {' '.join(str(error).split())[:300]}")
