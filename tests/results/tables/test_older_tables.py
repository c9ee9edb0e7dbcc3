"""Files that code of every schema version wrote are read, whatever columns came later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.report.report import write_report
from results.tables.schema import SCHEMA_VERSION, SCHEMAS, TABLES
from results.tables.store import read_table, table_path

KEPT = Path(__file__).parent / "data"
"""``schema-1-first`` and ``schema-1-last``: as version 1 began, and after it had grown columns unannounced."""


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("folder", sorted(path.name for path in KEPT.iterdir()))
def test_tables_of_every_version_are_read_in_todays_columns(folder: str, name: str) -> None:
    frame = read_table(KEPT / folder, name)
    assert frame.columns.tolist() == SCHEMAS[name].names
    assert len(frame) > 0
    kept = pq.read_schema(table_path(KEPT / folder, name)).names
    for column in set(SCHEMAS[name].names) - set(kept):
        former = TABLES[name].column(column).formerly
        if former and former.name in kept:
            continue
        assert set(frame[column].dropna()) <= {TABLES[name].column(column).before}


def test_a_column_that_came_later_holds_what_its_absence_meant() -> None:
    trials, summary, storage = (read_table(KEPT / "schema-1-first", name) for name in ("trials", "summary", "storage"))
    assert set(trials["balancing"]) == set(summary["balancing"]) == {"equal"}
    assert set(trials["embedding_l2"]) == set(trials["mask_l1"]) == {0.0}
    assert storage["mask_bits"].isna().all()
    later = read_table(KEPT / "schema-1-last", "trials")
    common = pq.read_schema(table_path(KEPT / "schema-1-first", "trials")).names
    pd.testing.assert_frame_equal(trials[common], later[common])


@pytest.mark.parametrize("folder", ["schema-1-first", "schema-2"])
def test_bounds_that_were_bootstraps_are_not_read_as_students(folder: str) -> None:
    kept = pq.read_table(table_path(KEPT / folder, "summary")).to_pandas()
    summary = read_table(KEPT / folder, "summary")
    assert summary["triplet_accuracy_low"].isna().all()
    for present, former in {
        "triplet_accuracy_bootstrap_low": "triplet_accuracy_low",
        "delta_shared_bootstrap_high": "delta_shared_high",
        "delta_shared_high": "delta_shared_t_high",
    }.items():
        assert kept[former].notna().any()
        pd.testing.assert_series_equal(summary[present], kept[former], check_names=False)


@pytest.mark.slow
def test_the_report_of_an_older_study_is_written(tmp_path: Path) -> None:
    files = write_report(KEPT / "schema-1-first", tmp_path)
    assert "late" in files.report.read_text()


@pytest.mark.parametrize("name", TABLES)
def test_a_kept_file_holds_the_columns_of_the_version_it_names(name: str) -> None:
    """A changed column needs a new version and a kept file of it: ``python tests/results/tables/keep_tables.py``."""
    kept = pq.read_schema(table_path(KEPT / f"schema-{SCHEMA_VERSION}", name))
    assert kept.equals(SCHEMAS[name], check_metadata=False)


def test_a_column_that_may_not_be_empty_is_not_made_up(tmp_path: Path) -> None:
    table = pq.read_table(table_path(KEPT / "schema-1-last", "trials"))
    pq.write_table(table.drop_columns(["attempts"]), table_path(tmp_path, "trials"))
    with pytest.raises(ValueError, match=r"trials\.parquet: does not hold the columns of table trials: .*attempts"):
        read_table(tmp_path, "trials")


def test_a_column_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(table_path(KEPT / "schema-1-last", "trials"))
    pq.write_table(table.append_column("luck", pa.array([1.0] * len(table))), table_path(tmp_path, "trials"))
    with pytest.raises(ValueError, match="does not hold the columns of table trials: luck"):
        read_table(tmp_path, "trials")


@pytest.mark.parametrize("every", [53, pytest.param(7, marks=pytest.mark.long)])
def test_a_flipped_byte_in_a_table_is_found_wherever_it_lies(every: int, tmp_path: Path) -> None:
    whole = table_path(KEPT / f"schema-{SCHEMA_VERSION}", "curves").read_bytes()
    expected = read_table(KEPT / f"schema-{SCHEMA_VERSION}", "curves")
    path, refused, sound = table_path(tmp_path, "curves"), 0, 0
    for place in range(0, len(whole), every):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = read_table(tmp_path, "curves")
        except ValueError as error:
            refused += str(path) in str(error)
        else:  # a byte of statistics or of a column's meaning
            pd.testing.assert_frame_equal(found, expected)
            sound += 1
    assert refused + sound == len(range(0, len(whole), every))
    assert refused > sound


def test_a_cut_table_is_named(tmp_path: Path) -> None:
    shutil.copytree(KEPT / f"schema-{SCHEMA_VERSION}", tmp_path, dirs_exist_ok=True)
    path = table_path(tmp_path, "summary")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"summary\.parquet: damaged \(.*\); collect the study again"):
        read_table(tmp_path, "summary")
