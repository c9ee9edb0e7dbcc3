import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.tables import schema
from results.tables.metrics import HEADLINE_METRICS, TASK_METRICS, curve_metric, metric
from results.tables.schema import SCHEMAS
from results.tables.store import read_table, table_path
from results.tables.writing import write_tables


@pytest.fixture
def tables(study):
    return {
        "trials": study.trials,
        "task_metrics": study.task_metrics,
        "storage": study.storage,
        "failures": study.failures,
    }


def test_every_field_says_unit_and_meaning():
    for table in SCHEMAS.values():
        assert table.metadata[b"schema_version"] == str(schema.SCHEMA_VERSION).encode()
        for field in table:
            assert field.metadata[b"meaning"]
            assert b"unit" in field.metadata
            assert field.metadata[b"unit"] or pa.types.is_string(field.type), field.name


def test_metadata_survives_on_disk(tmp_path, tables):
    write_tables(tmp_path, tables)
    stored = pq.read_schema(table_path(tmp_path, "trials"))
    assert stored.metadata[b"study"] == b"made-up"
    assert stored.field("learning_rate").metadata == SCHEMAS["trials"].field("learning_rate").metadata


@pytest.mark.parametrize("name", ["trials", "task_metrics", "storage", "failures"])
def test_round_trip_through_our_reader(tmp_path, tables, name):
    write_tables(tmp_path, tables)
    pd.testing.assert_frame_equal(
        read_table(tmp_path, name), tables[name][SCHEMAS[name].names], check_dtype=False, check_exact=True
    )


def test_pandas_duckdb_and_polars_read_the_same(tmp_path, tables):
    write_tables(tmp_path, tables)
    for name, frame in tables.items():
        path = table_path(tmp_path, name)
        expected = [tuple(None if pd.isna(v) else v for v in row) for row in frame[SCHEMAS[name].names].to_numpy()]
        via_pandas = [tuple(None if pd.isna(v) else v for v in row) for row in pd.read_parquet(path).to_numpy()]
        via_polars = pl.read_parquet(path).rows()
        via_duckdb = [tuple(row.values()) for row in duckdb.read_parquet(str(path)).to_arrow_table().to_pylist()]
        assert via_pandas == expected, name
        assert via_polars == expected, name
        assert via_duckdb == expected, name


def test_an_empty_column_keeps_its_type(tmp_path, tables):
    tables["trials"]["objective"] = None
    write_tables(tmp_path, tables | {"trials": tables["trials"].drop(columns="peak_memory_bytes")})
    stored = pq.read_table(table_path(tmp_path, "trials"))
    assert stored.schema.field("mlflow_run_id").type == pa.string()
    assert stored.schema.field("objective").type == pa.float64()
    assert stored["peak_memory_bytes"].null_count == len(stored)
    frame = read_table(tmp_path, "trials")
    assert frame["peak_memory_bytes"].dtype == pd.Int64Dtype()
    assert frame["train_seed"].dtype == np.int64


def test_a_table_without_rows_keeps_its_columns(tmp_path, tables):
    write_tables(tmp_path, tables | {"failures": []})
    assert read_table(tmp_path, "failures").columns.tolist() == SCHEMAS["failures"].names


def test_large_counts_beside_gaps_stay_exact(tmp_path, tables):
    rows = tables["trials"].head(2).to_dict("records")
    rows[0]["peak_memory_bytes"], rows[1]["peak_memory_bytes"] = None, 2**53 + 1
    write_tables(tmp_path, {"trials": rows})
    assert read_table(tmp_path, "trials")["peak_memory_bytes"][1] == 2**53 + 1


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "high", "table task_metrics, column value, row 3: 'high' is not of type double"),
        ("train_seed", 0.5, "table task_metrics, column train_seed, row 3: 0.5 is not of type int64"),
        ("train_seed", None, "table task_metrics, column train_seed, row 3: empty, but a value is required"),
        ("train_seed", True, "table task_metrics, column train_seed, row 3: True is not of type int64"),
        ("train_seed", "7", "table task_metrics, column train_seed, row 3: '7' is not of type int64"),
        (
            "train_seed",
            2**70,
            "table task_metrics, column train_seed, row 3: 1180591620717411303424 is not of type int64",
        ),
        ("task", 7, "table task_metrics, column task, row 3: 7 is not of type string"),
        ("task", None, "table task_metrics, column task, row 3: empty, but a value is required"),
        ("split", "dev", "table task_metrics, column split, row 3: 'dev' is not one of train, validation, test"),
        ("metric", "accuracy", "table task_metrics, column metric, row 3: 'accuracy' is not one of triplet_accuracy"),
    ],
)
def test_a_misfit_is_named(tmp_path, tables, column, value, message):
    frame = tables["task_metrics"].astype({column: object})
    frame.iloc[3, frame.columns.get_loc(column)] = value
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(")):
        write_tables(tmp_path, {"task_metrics": frame})
    assert not list(tmp_path.iterdir())


def test_columns_and_tables_are_checked(tmp_path, tables):
    with pytest.raises(ValueError, match="unknown column 'task_name'; did you mean 'task'"):
        write_tables(tmp_path, {"task_metrics": tables["task_metrics"].assign(task_name="x")})
    with pytest.raises(ValueError, match="table task_metrics: missing columns queries"):
        write_tables(tmp_path, {"task_metrics": tables["task_metrics"].drop(columns="queries")})
    with pytest.raises(ValueError, match="unknown table 'trial'; did you mean 'trials'"):
        write_tables(tmp_path, {"trial": []})


def test_double_rows_and_mixed_studies_are_refused(tmp_path, tables):
    double = pd.concat([tables["trials"], tables["trials"].tail(1)])
    with pytest.raises(ValueError, match="table trials, row 49: a second row with trial_id="):
        write_tables(tmp_path, {"trials": double})
    with pytest.raises(ValueError, match="belong to one study, got rows of made-up, other"):
        write_tables(tmp_path, tables | {"storage": tables["storage"].assign(study="other")})


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, tables, monkeypatch):
    write_tables(tmp_path, tables)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    real = pq.ParquetWriter.write_table

    def break_halfway(self, table, **options):
        real(self, table, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", break_halfway)
    with pytest.raises(OSError, match="No space left"):
        write_tables(tmp_path, {"trials": tables["trials"].head(3)})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_bad_table_keeps_all_from_being_written(tmp_path, tables):
    with pytest.raises(ValueError, match="table failures"):
        write_tables(tmp_path, tables | {"failures": tables["failures"].assign(kind="unlucky")})
    assert not list(tmp_path.iterdir())


def test_a_newer_schema_is_refused(tmp_path, tables, monkeypatch):
    newer = {name: spec.schema(schema.SCHEMA_VERSION + 1) for name, spec in schema.TABLES.items()}
    monkeypatch.setattr("results.tables.store.SCHEMAS", newer)
    monkeypatch.setattr("results.tables.writing.SCHEMAS", newer)
    write_tables(tmp_path, tables)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="schema version 5, but this installation knows versions up to 4"):
        read_table(tmp_path, "trials")


def test_foreign_and_missing_files_are_refused(tmp_path, tables):
    with pytest.raises(ValueError, match="no such table; collect the study first"):
        read_table(tmp_path, "trials")
    pd.DataFrame({"a": [1]}).to_parquet(table_path(tmp_path, "trials"))
    with pytest.raises(ValueError, match="not a table of a study"):
        read_table(tmp_path, "trials")
    write_tables(tmp_path, tables)
    table_path(tmp_path, "storage").replace(table_path(tmp_path, "trials"))
    with pytest.raises(ValueError, match="does not hold the columns of table trials"):
        read_table(tmp_path, "trials")


def test_every_metric_has_a_direction_and_a_unit():
    for name, known in TASK_METRICS.items():
        assert (known.name, known.direction, known.unit) == (name, "max", "share")
    assert set(HEADLINE_METRICS) <= set(TASK_METRICS)
    with pytest.raises(ValueError, match="did you mean 'recall_at_5'"):
        metric("recall_at_50")


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("train/loss", "min"),
        ("train/triplet_loss/smiling", "min"),
        ("validation/smiling/triplet_accuracy", "max"),
        ("validation/triplet_accuracy", "max"),
        ("modulation/dead_channels/res4", "none"),
        ("update_agreement/cosine/res4/smiling:hat", "none"),
        ("update_agreement/conflict_share/res4", "min"),
    ],
)
def test_curves_are_known_by_their_path(name, direction):
    assert curve_metric(name).direction == direction


def test_unknown_curves_have_no_meaning():
    assert curve_metric("train/images_per_second") is None
    assert curve_metric("loss") is None
