from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from trainables.config.data import DataConfig
from trainables.data import data_fingerprint, prepare_dataset
from trainables.sources.table.source import TableImages

HEADER = ["file", "kind", "uses", "heel", "size", "person", "split"]


@pytest.fixture
def table(layouts, fashion_shoes, tmp_path):
    """Twenty shoes in a folder of their own, and rows to write."""
    shoes = layouts.read_shoes(fashion_shoes, 20)
    (tmp_path / "own" / "pictures").mkdir(parents=True)
    rows = []
    for number, data in enumerate(shoes.images):
        (tmp_path / "own" / "pictures" / f"{number}.jpg").write_bytes(data)
        split = ("train", "train", "val", "test")[number % 4]
        uses = ("run;walk", "walk", "walk;run", "", "swim")[number % 5]
        heel = ("high", "flat", "low", "?")[number % 4]
        kind = ("boot", "sandal")[number // 3 % 2]
        rows.append(
            [f"pictures/{number}.jpg", kind, uses, heel, str((9, 10, 11.5)[number % 3]), f"p{number // 4}", split]
        )
    return tmp_path / "own" / "own.csv", rows


def write(layouts, path, rows, header=HEADER):
    layouts.write_csv(path, header, rows)
    return path


def config(path, tasks, **source):
    source = {"path": path, "image_column": "file", **source}
    return DataConfig(source=TableImages.model_validate(source), tasks=tasks, image_size=16)


LABELS = {
    "uses": {"kind": "multi_label"},
    "heel": {"kind": "ordinal", "order": ["flat", "low", "high"]},
    "size": {"kind": "ordinal", "bins": [10, 11]},
}


def test_every_kind_of_label(layouts, table, tmp_path):
    path = write(layouts, *table)
    tasks = ("kind", "uses", "uses=run", "heel", "size")
    data = config(path, tasks, labels=LABELS, missing=["", "?"])
    dataset = prepare_dataset(data, 0, tmp_path / "cache")
    assert dataset.classes == {
        "kind": ("boot", "sandal"),
        "uses": ("run;walk", "swim", "walk"),
        "uses=run": ("no", "yes"),
        "heel": ("flat", "low", "high"),
        "size": ("below 10", "10 to below 11", "11 and above"),
    }
    assert dataset.splits["train"].labels[:4].tolist() == [
        [0, 0, 1, 2, 0],
        [0, 2, 0, 0, 1],
        [1, 1, 0, 2, 1],
        [1, 0, 1, 0, 2],
    ]
    assert dataset.splits["test"].labels[0].tolist() == [1, -1, -1, -1, 0]
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 10, "validation": 5, "test": 5}


def test_numbers_are_ordered_and_text_stays_text(layouts, table, tmp_path):
    path = write(layouts, *table)
    data = config(path, ("size",), labels={"size": {"kind": "ordinal"}})
    assert prepare_dataset(data, 0, tmp_path / "cache").classes["size"] == ("9", "10", "11.5")
    for row in table[1]:
        row[4] = {"9": "09", "10": "NA", "11.5": "1e3"}[row[4]]
    write(layouts, *table)
    assert prepare_dataset(config(path, ("size",)), 0, tmp_path / "cache").classes["size"] == ("09", "1e3", "NA")


def test_a_split_is_drawn_by_groups_when_there_is_none(layouts, table, tmp_path):
    rows = [row[:-1] for row in table[1]]
    path = write(layouts, table[0], rows, HEADER[:-1])
    grouped = config(path, ("kind", "person"), group_column="person", shares=[0.6, 0.2, 0.2])
    dataset = prepare_dataset(grouped, 1, tmp_path / "cache")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 12, "validation": 4, "test": 4}
    people = [set(split.labels[:, 1].tolist()) for split in dataset.splits.values()]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]
    assert data_fingerprint(grouped, 2) != dataset.fingerprint
    assert data_fingerprint(config(path, ("kind",)), 1) != data_fingerprint(config(path, ("kind",)), 2)


def test_images_may_lie_elsewhere(layouts, table, tmp_path):
    base = data_fingerprint(config(write(layouts, *table), ("kind",)), 0)
    elsewhere = write(layouts, tmp_path / "lists" / "own.csv", table[1])
    assert data_fingerprint(config(elsewhere, ("kind",), images=table[0].parent), 0) == base
    elsewhere.write_bytes(b"\xef\xbb\xbf" + elsewhere.read_bytes().replace(b"\r\n", b"\n").replace(b",", b"\t"))
    assert data_fingerprint(config(elsewhere, ("kind",), images=table[0].parent, delimiter="\t"), 0) == base


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "/etc/passwd", "pictures/../../secret.jpg", "pictures/link.jpg", "out/x"]
)
def test_paths_that_lead_out_are_refused_by_name(layouts, table, tmp_path, name):
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (table[0].parent / "pictures" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (table[0].parent / "out").symlink_to(tmp_path)
    table[1][3][0] = name
    path = write(layouts, *table)
    with pytest.raises(ValueError, match=rf"own\.csv, line 5: image '{name}': (must be a path inside|is a link that)"):
        data_fingerprint(config(path, ("kind",)), 0)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_row_without_an_image_is_refused_by_line_and_column(layouts, table, name):
    table[1][3][0] = name
    path = write(layouts, *table)
    with pytest.raises(ValueError, match=r"own\.csv, line 5, column 'file': each row must name an image, got ''"):
        data_fingerprint(config(path, ("kind",)), 0)


def test_a_link_inside_the_folder_is_followed(layouts, table, tmp_path):
    (table[0].parent / "pictures" / "link.jpg").symlink_to(table[0].parent / "pictures" / "3.jpg")
    base = data_fingerprint(config(write(layouts, *table), ("kind",)), 0)
    table[1][3][0] = "pictures/link.jpg"
    assert data_fingerprint(config(write(layouts, *table), ("kind",)), 0) == base


@pytest.mark.parametrize(
    ("row", "column", "value", "tasks", "message"),
    [
        (2, 6, "trian", ("kind",), r"line 4, column 'split': must be train, .*got 'trian'; did you mean 'train'"),
        (2, 0, "pictures/0.jpg", ("kind",), r"line 4: 'pictures/0\.jpg' is already listed on line 2"),
        (
            2,
            3,
            "middle",
            ("heel",),
            r"line 4, column 'heel': 'middle' is not in the given order; known: flat, low, high",
        ),
        (2, 4, "big", ("size",), r"line 4, column 'size': the values of an ordinal task must be numbers, got 'big'"),
        (2, 4, "nan", ("size",), r"line 4, column 'size': .* must be numbers, got 'nan'"),
        (2, 1, "boot", ("knd",), r"no column for task 'knd'; did you mean 'kind'"),
        (2, 1, "boot", ("uses=fly",), r"'uses=fly': no cell contains 'fly'; known: run, swim, walk"),
    ],
)
def test_wrong_values_are_named(layouts, table, row, column, value, tasks, message):  # noqa: PLR0917 - one case each
    table[1][row][column] = value
    path = write(layouts, *table)
    with pytest.raises(ValueError, match=message):
        data_fingerprint(config(path, tasks, labels=LABELS, missing=["", "?"]), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; expected the column names"),
        ("file,kind\n", "no rows below the header"),
        ("file,kind,kind\na,b,c\n", "line 1: columns must have different names, 'kind' appears twice"),
        ("file,kind\na,b\nc\n", r"own\.csv, line 3: not a row of 2 cells split by ',', .*: expected 2 cells, got 1"),
        ("image,kind\na,b\n", "no column 'file'"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, text, message):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        data_fingerprint(config(path, ("kind",)), 0)


@pytest.mark.parametrize(
    "source",
    [
        {"shares": [0.5, 0.2, 0.2]},
        {"labels": {"a": {"kind": "class", "bins": [1]}}},
        {"labels": {"a": {"kind": "ordinal", "bins": [2, 1]}}},
        {"labels": {"a": {"kind": "ordinal", "bins": [1], "order": ["x"]}}},
    ],
)
def test_keys_that_do_not_go_together(tmp_path, source):
    with pytest.raises(ValidationError):
        config(tmp_path / "x.csv", ("a",), **source)


def test_an_image_that_may_not_be_read_is_corrupt(layouts, table, tmp_path):
    if os.geteuid() == 0:
        (table[0].parent / "pictures" / "3.jpg").unlink()
        (table[0].parent / "pictures" / "3.jpg").mkdir()
    else:
        (table[0].parent / "pictures" / "3.jpg").chmod(0)
    path = write(layouts, *table)
    data = config(path, ("kind",)).model_copy(update={"max_corrupt_share": 0.1})
    assert prepare_dataset(data, 0, tmp_path / "cache").corrupt == ("own.csv, line 5",)


def test_a_trial_trains_on_it(layouts, table, train_tiny):
    source = {
        "kind": "table",
        "path": str(write(layouts, *table)),
        "image_column": "file",
        "labels": {"uses": LABELS["uses"]},
    }
    assert train_tiny(source, ["kind", "uses=walk"]).finished
