from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from trainables.config.data import DataConfig
from trainables.data import describe_dataset, prepare_dataset
from trainables.sources.parquet.source import ParquetImages
from trainables.sources.reading.pixels import decode_image


def test_shoes(fashion_shoes, tmp_path):
    tasks = ("type", "gender", "colour", "season")
    data = DataConfig(source=ParquetImages(path=fashion_shoes), tasks=tasks, image_size=24, fit="pad")
    dataset = prepare_dataset(data, 0, tmp_path)
    assert {name: split.images.shape for name, split in dataset.splits.items()} == {
        "train": (6373, 24, 24, 3),
        "validation": (897, 24, 24, 3),
        "test": (1724, 24, 24, 3),
    }
    assert dataset.corrupt == ()
    assert [len(dataset.classes[task]) for task in tasks] == [8, 4, 13, 4]
    counts = {(row.split, row.task): row for row in describe_dataset(data, 0, tmp_path).tasks}
    assert counts["train", "gender"].classes["Girls"] == 39
    assert sum(counts["test", "colour"].classes.values()) == 1724


def test_faces_keep_their_rows(celeba10k, tmp_path):
    data = DataConfig(source=ParquetImages(path=celeba10k / "data"), tasks=("Smiling", "Eyeglasses"), image_size=16)
    test = prepare_dataset(data, 0, tmp_path).splits["test"]
    table = pq.read_table(celeba10k / "data" / "test-00000-of-00001.parquet")
    assert np.array_equal(test.labels[:, 0], table.column("Smiling").to_numpy())
    for row in (0, 999, 1000, 1943):  # both sides of a border between row groups
        assert np.array_equal(test.images[row], decode_image(table.column("image")[row].as_py()["bytes"], 16, "crop"))
