"""Chaos equals calm: faults from a fixed seed, on a disk with MLflow and in a bucket; what the comparison notices."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.chaos import chaos
from benchmarks.chaos_report import KEYS, Report, compare


@pytest.mark.long
@pytest.mark.xdist_group("ray")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(  # the second seed begins with faults of the server, and then kills a worker
    ("minutes", "seed", "s3", "least"), [(2, 11, False, 2), (0.5, 1538, True, 1)], ids=["with MLflow", "in S3"]
)
def test_faults_from_a_fixed_seed_change_nothing(minutes, seed, s3, least):
    report = chaos(minutes, seed, mlflow=not s3, s3=s3)
    assert report.equal, "\n".join(report.lines())
    assert report.chaos_s
    # How many faults fit into that time, and so of how many kinds they are, depends on how fast this machine starts a
    # run again; that there are some does not.
    assert report.faults.total() >= least


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
