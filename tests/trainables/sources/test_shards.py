from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sampling.checks import check_dataset
from trainables.sources.parquet.shards import find_shards
from trainables.sources.parquet.source import ParquetImages
from trainables.sources.registry import detect_source

HASH = ("0a1b2c3d4e5f6071", "ffeeddccbbaa9988", "1234567890abcdef")


def write(path: Path, number: int = 0, rows: int = 1) -> None:
    """A shard whose images and labels tell its number."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": buffer.getvalue(), "path": None}] * rows
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pq.write_table(pa.table({"image": pa.array(images, kind), "n": pa.array([number] * rows, pa.int64())}), path)


def layout(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write(folder / f"{name}.parquet", number)
    return folder


REST = ("validation-00000-of-00001", "test-00000-of-00001")


def config(folder: Path) -> DataConfig:
    return DataConfig(source=ParquetImages(path=folder), tasks=("n",), image_size=8)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ([f"train-0000{i}-of-00003-{HASH[i]}" for i in range(3)], [0, 1, 2]),
        (["train-2-of-3", "train-1-of-3", "train-3-of-3"], [1, 0, 2]),
        ([f"train-{i}" for i in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)], list(range(10, -1, -1))),
        (["train-day", "train-night"], [0, 1]),
        (["train-2023", "train-2025"], [0, 1]),
        (["TRAIN"], [0]),
    ],
)
def test_every_way_to_number_shards_is_read_in_order(tmp_path, names, order):
    layout(tmp_path, *names, *REST)
    assert [path.stem for path in find_shards(tmp_path)["train"]] == [names[place] for place in order]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"train-0000{i}-of-00003-{HASH[i]}" for i in (0, 2)], r"'train' must have 3 shards, missing: \[1\]"),
        (
            ["train-00000-of-00001-0a1b2c3d4e5f6071", "train-00000-of-00001-ffeeddccbbaa9988"],
            r"'train' has duplicate shards.*: train-00000-of-00001-0a.*parquet, train-00000-of-00001-ff.*parquet; keep",
        ),
        (
            [f"train-0000{i}-of-00002-{h}" for i, h in ((0, HASH[0]), (1, HASH[1]), (1, HASH[2]))],
            r"duplicate shards.*: train-00001-of-00002-123.*parquet, train-00001-of-00002-ffe.*parquet; keep",
        ),
        (["train-00000-of-00001-0a1b2c3d4e5f6071", "train-00000-of-00002", "train-00001-of-00002"], r"'train' mixes"),
        (["train-00000-of-00002", "train-00001-of-00002", "train-00005-of-00002"], r"'train' mixes"),
        (["train", "train-00000-of-00001"], r"'train' mixes .*: train-00000-of-00001\.parquet, train\.parquet; keep"),
        (["train", "train-copy"], r"'train' mixes files"),
        (["train-0", "train-1", "train-3"], r"'train' must have 4 shards, missing: \[2\]"),
        (["train-part-0-of-2", "train-part-1-of-2", "train-0-of-2", "train-1-of-2"], r"'train' has duplicate shards"),
        (["train-00000-of-00001", "training-00000-of-00001"], r"'train' must have one spelling.*train-0.*training-0"),
        (["train-00000-of-00001", "Train-00000-of-00001"], r"'train' must have one spelling"),
        (["train/0000", "train/0002"], r"'train' must have 3 shards, missing: \[1\]"),
        (["train/0000", "train-00000-of-00001"], r"'train' mixes .*train/0000\.parquet"),
        (
            [f"train/part-00000-{h}-aaaa-bbbb-cccc-0123456789ab-c000.snappy" for h in ("01234567", "89abcdef")],
            r"'train' has duplicate shards",
        ),
    ],
)
def test_a_missing_shard_or_a_second_set_is_refused_by_name(tmp_path, names, message):
    layout(tmp_path, *names, *REST)
    with pytest.raises(ValueError, match=message):
        data_fingerprint(config(tmp_path), 0)


@pytest.mark.parametrize("second", ["val-00000-of-00001", "valid", "dev-0", "dev/0000"])
def test_a_split_in_two_spellings_is_refused_with_its_files(tmp_path, second):
    layout(tmp_path, "train", *REST, second)
    with pytest.raises(ValueError, match=rf"'validation' must have one spelling.*{second}\.parquet"):
        data_fingerprint(config(tmp_path), 0)


@pytest.mark.parametrize("home", ["", "data", "default"])
@pytest.mark.parametrize(
    "names", [("train/0000", "validation/0000", "test/0000"), ("train-0-of-1", "dev", "testing-0")]
)
def test_the_layouts_of_the_hub_are_found(tmp_path, home, names):
    layout(tmp_path / home, *names)
    assert detect_source(tmp_path) == ParquetImages(path=tmp_path)
    splits = prepare_dataset(config(tmp_path), 0, tmp_path / "cache").splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 1, "validation": 1, "test": 1}


@pytest.mark.parametrize("second", ["", "default", "data-of-march"])
def test_splits_in_two_places_are_refused_with_the_places(tmp_path, second):
    layout(tmp_path / "data", "train", *REST)
    layout(tmp_path / second, "train/0000", "validation/0000", "test/0000")
    with pytest.raises(ValueError, match=r"has splits in 2 places \(.*data.*\); keep one, or give the path of one"):
        data_fingerprint(config(tmp_path), 0)
    assert data_fingerprint(config(tmp_path / "data"), 0)


def test_the_same_file_twice_is_refused_and_empty_files_are_not(tmp_path):
    layout(tmp_path, "train-a", *REST)
    write(tmp_path / "train-b.parquet", 0)
    with pytest.raises(ValueError, match=r"train-b\.parquet: is the same file as train-a\.parquet"):
        data_fingerprint(config(tmp_path), 0)
    for name in "bc":
        write(tmp_path / f"train-{name}.parquet", rows=0)
    assert len(prepare_dataset(config(tmp_path), 0, tmp_path / "cache").splits["train"]) == 1


def test_files_of_no_split_are_noted(tmp_path):
    layout(tmp_path, "train", *REST, "train_extra", "unlabelled-0", "._train-0")
    notes = check_dataset(config(tmp_path), 0, tmp_path / "cache").notes
    assert notes == ("Parquet files outside the splits are ignored: train_extra.parquet, unlabelled-0.parquet",)


def test_a_pointer_in_place_of_a_shard_is_said_to_be_one(tmp_path):
    layout(tmp_path, "train", *REST)
    (tmp_path / "train.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(
        ValueError, match=r"train\.parquet: not a readable Parquet file but a Git LFS pointer; .*git lfs"
    ):
        data_fingerprint(config(tmp_path), 0)
