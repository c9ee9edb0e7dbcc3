"""An index after its writers: images are added, replaced, deleted, passed over, and kept by a compaction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from trainables.index import ImageIndex, IndexFault, SourceImage

Make = Callable[..., ImageIndex]


def ids(index: ImageIndex, query: Path) -> set[str]:
    return {match.id for match in index.search(query, "Hat", top=100)}


def test_images_are_replaced_deleted_and_passed_over(made: Make, photos: Path, tmp_path: Path) -> None:
    index, query = made(), photos / "03.png"
    assert len(index) == 20
    assert index.thumbnail("03.png").startswith(b"\xff\xd8")
    same = index.add(SourceImage(path.name, path) for path in sorted(photos.iterdir()))
    assert (same.added, same.unchanged) == (0, 20)
    other = index.add([SourceImage("03.png", (photos / "07.png").read_bytes(), str(query), stamp="changed")])
    assert (other.added, other.replaced, len(index)) == (1, 1, 20)
    assert {match.id for match in index.search(photos / "07.png", "Hat", top=2)} == {"03.png", "07.png"}
    assert index.delete(["03.png", "07.png"]) == 2
    assert ids(index, query) == {path.name for path in photos.iterdir()} - {"03.png", "07.png"}
    assert len(ImageIndex.open(index.folder)) == 18
    with pytest.raises(IndexFault, match=r"holds no image '03.png'"):
        index.delete(["05.png", "03.png"])
    assert len(index) == 18


def test_unusable_images_are_skipped_and_named_or_refused(made: Make, photos: Path, tmp_path: Path) -> None:
    index = made()
    broken = [SourceImage("a.png", b"no image"), SourceImage("b.png", tmp_path / "absent.png")]
    done = index.add([*broken, SourceImage("c.png", photos / "03.png")])
    assert [skipped.id for skipped in done.skipped] == ["a.png", "b.png"]
    assert done.added == 1
    with pytest.raises(IndexFault, match=r"a.png: .*without --strict it is left out"):
        index.add(broken, strict=True)
    with pytest.raises(IndexFault, match=r"its id 'c.png' is that of "):
        index.add([SourceImage("c.png", photos / "04.png")])


def test_the_second_writer_is_refused(made: Make) -> None:
    index = made()
    with FileLock(index.folder / ".lock"), pytest.raises(IndexFault, match="being written by another process"):
        index.delete(["03.png"])


def test_compaction_keeps_what_is_not_deleted(made: Make, photos: Path) -> None:
    index = made(precision="1bit")
    index.add([SourceImage("new.png", photos / "03.png", labels={"colour": "red"})])
    index.delete(["04.png", "05.png"])
    before = index.search(photos / "03.png", "Hat", top=30)
    small = index.thumbnail("new.png")
    index.compact()
    assert [path.name for path in sorted((index.folder / "segments").iterdir())] == ["000004"]
    assert not list((index.folder / "tombstones").iterdir())
    after = ImageIndex.open(index.folder)
    assert after.search(photos / "03.png", "Hat", top=30) == before
    assert after.thumbnail("new.png") == small
    assert [match.id for match in after.search(photos / "03.png", "Hat", where=["colour=red"])] == ["new.png"]
