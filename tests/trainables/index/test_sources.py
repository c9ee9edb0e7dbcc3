"""Images are found in folders, lists and Parquet files, with ids, labels and stamps."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.index import IndexFault, read_images


def test_folders_lists_and_tables_give_ids_and_labels(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "cats").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("cats/a.png", "b.JPG", "notes.txt", ".hidden/c.png"):
        (folder / name).write_bytes((photos / "03.png").read_bytes())
    found = list(read_images(folder))
    assert [(image.id, dict(image.labels)) for image in found] == [
        ("mine/b.JPG", {}),
        ("mine/cats/a.png", {"folder": "cats"}),
    ]
    assert found[0].source == str(folder / "b.JPG")
    stamp = found[0].stamp
    os.utime(folder / "b.JPG", (0, 0))
    assert next(read_images(folder)).stamp != stamp
    (tmp_path / "list.txt").write_text("mine/b.JPG\nmine/cats/a.png\n")
    assert [image.id for image in read_images(tmp_path / "list.txt", name="x")] == ["x/mine/b.JPG", "x/mine/cats/a.png"]
    (tmp_path / "rows.csv").write_text("image,kind\nmine/b.JPG,dog\nmine/cats/a.png,\n")
    assert [dict(image.labels) for image in read_images(tmp_path / "rows.csv")] == [{"kind": "dog"}, {}]
    table = pa.table({"image": [{"bytes": b"\xff\xd8", "path": "a"}, None], "kind": ["cat", None], "size": [3, -1]})
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    rows = list(read_images(tmp_path / "data", name="shoes"))
    assert [image.id for image in rows] == [f"shoes/train-00000-of-00001.parquet:{row}" for row in range(2)]
    assert [dict(image.labels) for image in rows] == [{"kind": "cat", "size": "3"}, {}]
    assert [image.content for image in rows] == [b"\xff\xd8", b""]


def test_places_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is damaged")
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    for name, message in {
        "absent": "no such folder or file",
        "empty": "holds no images",
        "a.parquet": "not a readable Parquet file",
        "notes.csv": "one column should hold the paths of images, found none",
    }.items():
        with pytest.raises(IndexFault, match=message):
            list(read_images(tmp_path / name))
