"""Chaos equals calm: two minutes of faults from a fixed seed, and what the comparison would notice."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.chaos import chaos
from benchmarks.chaos_report import KEYS, Report, compare


@pytest.mark.long
@pytest.mark.xdist_group("ray")
@pytest.mark.timeout(750)
def test_two_minutes_of_faults_change_nothing():
    report = chaos(minutes=2, seed=11, mlflow=False)
    assert report.equal, "\n".join(report.lines())
    assert report.chaos_s
    # How many faults fit into two minutes, and so of how many kinds they are, depends on how fast this machine starts a
    # run again; that there are some does not.
    assert report.faults.total() >= 2


@pytest.fixture
def calm() -> dict[str, pd.DataFrame]:
    """Tables of two rows each."""
    return {
        name: pd.DataFrame({**{column: ["a", "b"] for column in key}, "value": [0.1, 0.2]})
        for name, key in KEYS.items()
    }


def compared(calm: dict[str, pd.DataFrame], name: str, changed: pd.DataFrame) -> Report:
    report = Report()
    compare(calm, {**calm, name: changed}, report)
    return report


@pytest.mark.parametrize("name", KEYS)
def test_a_comparison_notices_lost_and_doubled_rows_and_a_single_bit(calm, name):
    table = calm[name]
    assert compared(calm, name, table.copy()).equal
    assert compared(calm, name, table.head(1)).lost == 1
    assert compared(calm, name, pd.concat([table, table.tail(1)], ignore_index=True)).lost == 1
    flipped = table.assign(value=[0.1, 0.2 + 2**-55])
    assert flipped["value"][1] != table["value"][1]
    assert len(compared(calm, name, flipped).differing) == 1
