from __future__ import annotations

import io
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.data import data_fingerprint, prepare_dataset


def numbers(split):
    """The numbers painted into flat pictures."""
    return split.images[:, 4, 4, 0].tolist()


def test_images_labels_and_classes(write_folder, config_of, tmp_path):
    dataset = prepare_dataset(config_of(write_folder()), 0, tmp_path / "cache")
    assert dataset.tasks == ("kind", "score")
    assert dataset.classes == {"kind": ("boot", "sandal"), "score": ("10", "11", "12")}
    assert numbers(dataset.splits["train"]) == [0, 1, 2, 3, 4, 5]
    assert numbers(dataset.splits["test"]) == [100, 101, 102, 103, 104, 105]
    assert dataset.splits["train"].labels.tolist() == [[0, 0], [1, 1], [0, 2], [1, 0], [0, 1], [1, 2]]
    assert dataset.splits["train"].labels.dtype == np.int64
    assert dataset.corrupt == ()


def test_task_order_is_the_configured_one(write_folder, config_of, tmp_path):
    dataset = prepare_dataset(config_of(write_folder(), ("score", "kind")), 0, tmp_path / "cache")
    assert dataset.splits["train"].labels[1].tolist() == [1, 1]
    assert dataset.splits["train"].labels[2].tolist() == [2, 0]


def test_shards_are_joined_in_order_and_nulls_are_unlabelled(write_folder, shard, config_of, tmp_path):
    folder = write_folder()
    data = folder / "data"
    (data / "train-00000-of-00001.parquet").unlink()
    image = pq.read_table(data / "test-00000-of-00001.parquet").column("image")[0].as_py()["bytes"]
    for index in range(3):
        columns = {
            "kind": pa.array([index % 2, None]),
            "score": pa.array([-1, 40 + index], pa.int8() if index else pa.int64()),
        }
        shard(data / f"train-0000{index}-of-00003.parquet", [image, image], columns, {"kind": ["boot", "sandal"]})
    dataset = prepare_dataset(config_of(folder, max_duplicate_share=1.0), 0, tmp_path / "cache")
    assert dataset.splits["train"].labels.tolist() == [[0, -1], [-1, 3], [1, -1], [-1, 4], [0, -1], [-1, 5]]
    assert dataset.classes["score"] == ("10", "11", "12", "40", "41", "42")
    assert dataset.splits["test"].labels[:3, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("spelling", ["val", "valid"])
def test_other_spellings_and_no_data_folder(write_folder, config_of, tmp_path, spelling):
    folder = write_folder()
    flat = tmp_path / "flat"
    flat.mkdir()
    for split, name in (("train", "train"), ("validation", spelling), ("test", "test")):
        shutil.copy(folder / "data" / f"{split}-00000-of-00001.parquet", flat / f"{name}.parquet")
    assert len(prepare_dataset(config_of(flat), 0, tmp_path / "cache").splits["validation"]) == 6
    assert data_fingerprint(config_of(flat), 0) == data_fingerprint(config_of(folder), 0)


def test_boolean_column_and_another_name_for_the_image_column(write_folder, config_of, tmp_path):
    folder = write_folder()
    for path in (folder / "data").iterdir():
        table = pq.read_table(path)
        flag = pa.array([True, False, None] * 2)
        pq.write_table(table.rename_columns(["picture", "kind", "score"]).append_column("flag", flag), path)
    dataset = prepare_dataset(config_of(folder, ("flag",)), 0, tmp_path / "cache")
    assert dataset.classes == {"flag": ("false", "true")}
    assert dataset.splits["test"].labels[:, 0].tolist() == [1, 0, -1] * 2


def _replace(column, values):
    def change(table):
        return table.set_column(table.column_names.index(column), column, values)

    return change


@pytest.mark.parametrize(
    "wrong",
    [
        (None, ("knd",), r"train-00000-of-00001.parquet: no column for task 'knd'; did you mean 'kind'\?"),
        (None, ("KIND",), r"did you mean 'kind'\?"),
        (None, ("image",), r"no column for task 'image'"),
        (_replace("kind", pa.array(["a"] * 6)), ("kind",), r"columns of text and lists must be those of train-0"),
        (_replace("kind", pa.array([0.5] * 6)), ("kind",), r"column 'kind': a task must be .* is double"),
        (
            _replace("kind", pa.array([0, 1, 2, 0, 0, 0])),
            ("kind",),
            r"column 'kind', row 2: .*to 1 \(2 classes\), got 2",
        ),
        (_replace("score", pa.array([0, 1, -2, 0, 0, 0])), ("score",), r"column 'score', row 2: .*got -2"),
        (_replace("score", pa.array([2**63] * 6, pa.uint64())), ("score",), r"column 'score': labels must fit 64-bit"),
        (_replace("image", pa.array([b""] * 6)), ("kind",), r"no image column: expected struct<bytes"),
        (lambda table: table.replace_schema_metadata({"huggingface": "{"}), ("kind",), r"'huggingface' metadata"),
    ],
)
def test_a_wrong_table_is_refused_with_file_column_and_rule(write_folder, config_of, tmp_path, wrong):
    change, tasks, message = wrong
    folder = write_folder()
    if change:
        path = folder / "data" / "train-00000-of-00001.parquet"
        pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(ValueError, match=message):
        prepare_dataset(config_of(folder, tasks), 0, tmp_path / "cache")


def test_class_names_must_agree_between_files(write_folder, shard, config_of):
    folder = write_folder()
    path = folder / "data" / "test-00000-of-00001.parquet"
    table = pq.read_table(path)
    shard(path, [b"x"] * 6, {name: table.column(name) for name in ("kind", "score")}, {"kind": ["sandal", "boot"]})
    with pytest.raises(ValueError, match=r"test-00000.*column 'kind': class names must equal"):
        data_fingerprint(config_of(folder), 0)


def test_missing_files_are_named(write_folder, config_of, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is not a folder"):
        data_fingerprint(config_of(tmp_path / "nowhere"), 0)
    folder = write_folder()
    test = folder / "data" / "test-00000-of-00001.parquet"
    test.rename(folder / "data" / "test-00001-of-00003.parquet")
    with pytest.raises(ValueError, match=r"split 'test' must have 3 shards, missing: \[0, 2\]"):
        data_fingerprint(config_of(folder), 0)
    (folder / "data" / "test-00001-of-00003.parquet").rename(folder / "data" / "train-00001-of-00002.parquet")
    with pytest.raises(ValueError, match=r"split 'train' mixes files"):
        data_fingerprint(config_of(folder), 0)
    (folder / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(
        ValueError, match=r"split 'test' has no file: expected test-\*.parquet or testing-\*.parquet, found train"
    ):
        data_fingerprint(config_of(folder), 0)
    test.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"test-00000-of-00001.parquet: not a readable Parquet file"):
        data_fingerprint(config_of(folder), 0)
    shutil.rmtree(folder / "data")
    with pytest.raises(ValueError, match=r"no \*.parquet files"):
        data_fingerprint(config_of(folder), 0)


def test_a_split_spelt_two_ways_is_refused(write_folder, config_of):
    folder = write_folder()
    shutil.copy(folder / "data" / "validation-00000-of-00001.parquet", folder / "data" / "val.parquet")
    with pytest.raises(ValueError, match=r"split 'validation' must have one spelling"):
        data_fingerprint(config_of(folder), 0)


def test_damaged_pages_name_the_file(write_folder, config_of, tmp_path):
    folder = write_folder(rows=200)
    path = folder / "data" / "train-00000-of-00001.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"train-00000-of-00001.parquet: column.* cannot be read"):
        prepare_dataset(config_of(folder), 0, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_reading_holds_a_row_group_and_not_the_file(write_folder, shard, config_of):
    folder = write_folder()
    path = folder / "data" / "train-00000-of-00001.parquet"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    labels = pa.array([0] * 400)
    shard(path, [buffer.getvalue()] * 400, {"kind": labels, "score": labels}, {"kind": ["boot", "sandal"]})
    table = pq.read_table(path)  # one image 400 times would be stored once
    pq.write_table(table, path, row_group_size=4, use_dictionary=False, compression="none")
    del table
    config = config_of(folder)
    source = config.open(data_seed=0)
    before = pa.total_allocated_bytes()
    held = max(pa.total_allocated_bytes() - before for _ in source.images("train"))
    assert path.stat().st_size > 4_000_000
    assert held < 1_000_000


def rewrite(folder, column, values_of_split):
    """Replace a column of every split."""
    for split, values in values_of_split.items():
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        table = pq.read_table(path)
        pq.write_table(table.set_column(table.schema.get_field_index(column), column, values), path)


def test_text_columns_and_missing_labels(write_folder, config_of, tmp_path):
    folder = write_folder(rows=4)
    rewrite(
        folder,
        "score",
        {
            "train": pa.array(["red", None, "blue", "red"]),
            "validation": pa.array(["green", "", "red", "10"]),
            "test": pa.array(["9", "blue", "red", "red"]).dictionary_encode(),
        },
    )
    dataset = prepare_dataset(config_of(folder, ("kind", "score", "score=red")), 0, tmp_path / "cache")
    assert dataset.classes["score"] == ("9", "10", "blue", "green", "red")
    assert dataset.classes["score=red"] == ("no", "yes")
    assert dataset.splits["train"].labels.tolist() == [[0, 4, 1], [1, -1, -1], [0, 2, 0], [1, 4, 1]]
    assert dataset.splits["validation"].labels[:, 1].tolist() == [3, -1, 4, 1]
    assert dataset.splits["test"].labels[:, 1].tolist() == [0, 2, 4, 4]
    data = config_of(folder, ("score=rd",))
    source = data.open(0, None)
    with pytest.raises(ValueError, match=r"'score=rd': no cell contains 'rd'; did you mean 'red'\?"):
        source.labels("train")


def test_lists_are_multi_label(write_folder, config_of, tmp_path):
    folder = write_folder(rows=3)
    lists = {
        "train": pa.array([["a", "b"], ["b"], []]),
        "validation": pa.array([["b", "a"], None, ["c"]]),
        "test": pa.array([["a"], ["a"], ["b"]]),
    }
    rewrite(folder, "score", lists)
    dataset = prepare_dataset(config_of(folder, ("score", "score=b", "kind=boot")), 0, tmp_path / "cache")
    assert dataset.classes["score"] == ("a", "a;b", "b", "c")
    assert dataset.splits["train"].labels.tolist() == [[1, 1, 1], [2, 1, 0], [-1, -1, 1]]
    assert dataset.splits["validation"].labels.tolist() == [[1, 1, 1], [-1, -1, 0], [3, 0, 1]]
