"""Parquet files as Polars, pandas, older ``datasets`` and Arrow itself write them."""

from __future__ import annotations

import decimal
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sources.parquet.source import ParquetImages

SPLITS = ("train", "validation", "test")
SPELLINGS = ("red", None, "blue", "nan")


def picture(number: int, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(buffer, fmt)
    return buffer.getvalue()


PICTURES = [picture(number) for number in range(4)]
ENTRIES = [{"bytes": data, "path": "x.png"} for data in PICTURES]


def folder_of(tmp_path: Path, table: pa.Table) -> Path:
    for split in SPLITS:
        pq.write_table(table, tmp_path / f"{split}.parquet")
    return tmp_path


def with_images(column: Any, features: dict[str, Any] | None = None) -> pa.Table:
    images = pa.array(ENTRIES, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({"image": images, "kind": column})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features or {}}})})


def read(folder: Path, tmp_path: Path, *tasks: str) -> tuple[dict[str, tuple[str, ...]], list[list[int]]]:
    data = DataConfig(source=ParquetImages(path=folder), tasks=tasks or ("kind",), image_size=8, max_duplicate_share=1)
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    assert dataset.splits["train"].images[:, 4, 4, 0].tolist() == [0, 20, 40, 60]
    return dataset.classes, dataset.splits["train"].labels.T.tolist()


def write_eagerly(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path)


def write_as_views(frame: pl.DataFrame, path: Path) -> None:
    frame = frame.with_columns(pl.col("categorical", "enum").cast(pl.String))  # pyarrow writes no views in dictionaries
    pq.write_table(frame.to_arrow(compat_level=pl.CompatLevel.newest()), path)


@pytest.mark.parametrize("write", [write_eagerly, write_as_views])
def test_files_written_by_polars_are_read(tmp_path, write: Callable[[pl.DataFrame, Path], None]):
    frame = pl.DataFrame(
        {
            "image": ENTRIES,
            "text": SPELLINGS,
            "categorical": pl.Series(["b", "a", None, "b"], dtype=pl.Categorical),
            "enum": pl.Series(["b", "a", None, "b"], dtype=pl.Enum(["b", "a"])),
            "small": pl.Series([7, 8, None, 7], dtype=pl.UInt8),
            "decimal": [decimal.Decimal("7.0"), decimal.Decimal("8.0"), None, decimal.Decimal("7.0")],
            "gaps": [7.0, 8.0, None, float("nan")],
            "flag": [True, False, None, True],
            "texts": [["a", "b"], ["b"], [], None],
            "fixed": pl.Series([[1, 2], [2, 2], [1, 2], [1, 1]], dtype=pl.Array(pl.Int16, 2)),
            "nothing": [None] * 4,
        }
    )
    for split in SPLITS:
        write(frame, tmp_path / f"{split}.parquet")
    tasks = [name for name in frame.columns if name != "image"]
    classes, labels = read(tmp_path, tmp_path, *tasks)
    assert dict(zip(tasks, labels, strict=True)) == {
        "text": [1, -1, 0, -1],
        "categorical": [1, 0, -1, 1],
        "enum": [1, 0, -1, 1],
        "small": [0, 1, -1, 0],
        "decimal": [0, 1, -1, 0],
        "gaps": [0, 1, -1, -1],
        "flag": [1, 0, -1, 1],
        "texts": [0, 1, -1, -1],
        "fixed": [2, 1, 2, 0],
        "nothing": [-1, -1, -1, -1],
    }
    assert classes["small"] == classes["decimal"] == classes["gaps"] == ("7", "8")
    assert classes["fixed"] == ("1", "2", "1;2")
    assert set(ParquetImages(path=tmp_path).known_tasks()) == set(tasks)


@pytest.mark.parametrize(
    "images",
    [
        pa.array(PICTURES, pa.binary_view()),
        pa.array(PICTURES, pa.large_binary()),
        pa.array(PICTURES, pa.binary()).dictionary_encode(),
        pa.array(ENTRIES, pa.struct([("bytes", pa.binary_view()), ("path", pa.string_view())])),
        pa.array(ENTRIES, pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])),
        pa.array([{"bytes": data} for data in PICTURES]),
        pa.ExtensionArray.from_storage(pa.opaque(pa.binary(), "image", "somebody"), pa.array(PICTURES)),
    ],
    ids=lambda array: str(array.type),
)
def test_images_are_read_from_any_type_of_bytes(tmp_path, images):
    other = pa.array([b"no image", b"BM by chance", b"\x00", None])
    assert read(folder_of(tmp_path, pa.table({"photo": images, "digest": other, "kind": [0, 1, 2, 3]})), tmp_path) == (
        {"kind": ("0", "1", "2", "3")},
        [[0, 1, 2, 3]],
    )


WORDS = ["b", None, "a", "b"]
NUMBERS = [8, None, 7, 8]
LISTS = [["b"], None, ["a"], ["b"]]
EXTENSION = pa.opaque(pa.string(), "word", "somebody")


@pytest.mark.parametrize(
    "column",
    [
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS, pa.string_view()),
        pa.array(WORDS).dictionary_encode(),
        pa.ExtensionArray.from_storage(EXTENSION, pa.array(WORDS)),
        pa.array(LISTS, pa.large_list(pa.large_string())),
        pa.array(LISTS, pa.list_view(pa.string())),
        pa.array(LISTS, pa.large_list_view(pa.string_view())),
        pa.array(LISTS, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
        pa.array(LISTS, pa.list_(pa.string(), 1)),
        *(pa.array(NUMBERS, kind) for kind in (pa.int8(), pa.uint32(), pa.uint64(), pa.float16(), pa.float32())),
        pa.array(NUMBERS, pa.float64()),
        pa.array(np.array([8, np.nan, 7, 8])),
        *(pa.array(NUMBERS, kind) for kind in (pa.decimal32(5, 2), pa.decimal128(9, 1), pa.decimal256(40, 3))),
        pa.array(NUMBERS).dictionary_encode(),
        pa.ExtensionArray.from_storage(pa.opaque(pa.int16(), "n", "me"), pa.array(NUMBERS, pa.int16())),
        pa.array([[8], None, [7], [8.0]], pa.list_(pa.float32())),
        pa.array([[8], [-1], [7], [8]], pa.list_(pa.int64(), 1)),
    ],
    ids=lambda column: str(column.type),
)
def test_labels_are_read_from_any_type_of_text_whole_numbers_and_lists(tmp_path, column):
    classes, labels = read(folder_of(tmp_path, with_images(column)), tmp_path)
    assert classes["kind"] in {("a", "b"), ("7", "8")}
    assert labels == [[1, -1, 0, 1]]


CLASS_LABEL = {"num_classes": 3, "names": ["boot", "sandal", "slipper"], "_type": "ClassLabel"}


@pytest.mark.parametrize(
    "feature",
    [
        [CLASS_LABEL],
        {"feature": CLASS_LABEL, "length": -1, "id": None, "_type": "Sequence"},
        {"feature": [CLASS_LABEL], "_type": "Sequence"},
        {"feature": CLASS_LABEL, "_type": "List"},
        {"feature": CLASS_LABEL, "_type": "LargeList"},
    ],
)
def test_lists_of_classes_have_their_names_however_they_were_declared(tmp_path, feature):
    column = pa.array([[0, 2], [1], [], [2]])
    classes, labels = read(
        folder_of(tmp_path, with_images(column, {"kind": feature})), tmp_path, "kind", "kind=slipper"
    )
    assert classes == {"kind": ("boot;slipper", "sandal", "slipper"), "kind=slipper": ("no", "yes")}
    assert labels == [[0, 1, -1, 2], [1, 0, -1, 1]]


def test_a_split_in_which_nothing_is_labelled_agrees_with_the_others(tmp_path):
    folder_of(tmp_path, with_images(pa.array(WORDS)))
    pq.write_table(with_images(pa.nulls(4)), tmp_path / "test.parquet")
    assert read(tmp_path, tmp_path) == ({"kind": ("a", "b")}, [[1, -1, 0, 1]])
    pq.write_table(with_images(pa.nulls(4)), tmp_path / "train.parquet")
    assert read(tmp_path, tmp_path) == ({"kind": ("a", "b")}, [[-1, -1, -1, -1]])


def test_pandas_writes_whole_numbers_with_gaps_and_an_index(tmp_path):
    frame = pd.DataFrame({"image": ENTRIES, "kind": [1, None, 0, 1], "price": [9.5, 1, 2, 3]}, index=[3, 1, 4, 2])
    for split in SPLITS:
        frame.to_parquet(tmp_path / f"{split}.parquet")
    assert read(tmp_path, tmp_path) == ({"kind": ("0", "1")}, [[1, -1, 0, 1]])
    assert ParquetImages(path=tmp_path).known_tasks() == ("kind",)


def test_what_can_be_no_task_or_image_is_said_with_its_type(tmp_path):
    def refusal(table: pa.Table) -> str:
        with pytest.raises(ValueError, match="parquet: ") as caught:
            read(folder_of(tmp_path, table), tmp_path)
        return str(caught.value)

    assert "column 'kind': a task must be" in refusal(with_images(pa.array([1.5, 2, 3, 4])))
    assert "is timestamp[us]" in refusal(with_images(pa.array([1, 2, 3, 4], pa.timestamp("us"))))
    assert "column 'kind', row 1: labels must be integers, got 1.5" in refusal(
        with_images(pa.array([[1.0], [1.5]] * 2))
    )
    kind = pa.array([0, 1, 0, 1])
    assert "image (binary: a Git LFS pointer" in refusal(
        pa.table({"image": [b"version https://git-lfs.github.com/spec/v1\n"] * 4, "kind": kind})
    )
    assert "image (string: paths and addresses are never followed" in refusal(
        pa.table({"image": ["a.png"] * 4, "kind": kind})
    )
    frame = pl.DataFrame({"image": ENTRIES, "kind": pl.Series([1, 2, 3, 4], dtype=pl.Int128)})
    frame.write_parquet(tmp_path / "train.parquet")
    with pytest.raises(
        ValueError, match=r"train\.parquet: column 'kind': a task must be .* is fixed_size_binary\[16\]"
    ):
        read(tmp_path, tmp_path)


def test_words_for_missing_values_count_in_parquet_as_in_tables(tmp_path):
    folder = folder_of(tmp_path, with_images(pa.array(["None", "red", " NULL ", "red"])))
    assert read(folder, tmp_path) == ({"kind": ("red",)}, [[-1, 0, -1, 0]])
    data = DataConfig(source=ParquetImages(path=folder), tasks=("kind",), image_size=8, max_duplicate_share=1)
    own = data.model_copy(update={"source": ParquetImages(path=folder, missing=("NULL",))})
    assert prepare_dataset(own, 0, tmp_path / "cache").classes == {"kind": ("None", "red")}
    assert data_fingerprint(own, 0) != data_fingerprint(data, 0)
    idle = data.model_copy(update={"source": ParquetImages(path=folder, missing=("None", "NULL", "?"))})
    assert data_fingerprint(idle, 0) == data_fingerprint(data, 0)  # other words, the same labels


def test_a_column_that_is_there_twice_is_refused_where_it_is_needed_and_passed_over_elsewhere(tmp_path):
    table = with_images(pa.array([0, 1, 0, 1]))
    for name in ("other", "other"):
        table = table.append_column(name, pa.array([0.0, 1.0, 0.0, 1.0]))
    folder = folder_of(tmp_path, table)
    assert ParquetImages(path=folder).known_tasks() == ("kind",)
    assert read(folder, tmp_path, "kind")[0] == {"kind": ("0", "1")}
    with pytest.raises(ValueError, match="column 'other' appears 2 times"):
        read(folder, tmp_path, "other")
    folder_of(tmp_path, table.append_column("image", table.column("image")))
    with pytest.raises(ValueError, match="column 'image' appears 2 times"):
        read(folder, tmp_path, "kind")
