"""A reader keeps what it has while another one writes: whatever is swapped or deleted under a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import pytest
import torch

from trainables.index import ImageIndex, IndexFault, InIndex, SourceImage, UnknownImage

Make = Callable[..., ImageIndex]

WRITES: dict[str, Callable[[ImageIndex, Path], object]] = {
    "append": lambda index, photo: index.add([SourceImage("new.png", photo, labels={"kind": "new"})]),
    "delete": lambda index, _: index.delete(["00.png", "05.png"]),
    "compact": lambda index, _: index.compact(),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_search_is_of_one_moment_even_if_the_index_is_refreshed_under_it(
    made: Make, photos: Path, write: str
) -> None:
    index, photo = made(), photos / "03.png"
    index.delete(["19.png"])
    writer = ImageIndex.open(index.folder)

    def as_it_is_refreshed() -> Iterator[Path]:
        WRITES[write](writer, photo)
        index.refresh()
        yield photo

    names = [f"{number:02}.png" for number in range(4, 19)]
    before = index.search(photo, "Hat", top=30, where=["even=True|False"])
    ranks = index.ranks(photo, names)
    assert index.search(as_it_is_refreshed(), "Hat", top=30, where=["even=True|False"]) == before
    assert len(index) == 19 + {"append": 1, "delete": -2}.get(write, 0)
    if write == "compact":
        assert index.ranks(as_it_is_refreshed(), names) == ranks
        channels = index.explain(photo, "07.png", "Hat")
        assert index.explain(as_it_is_refreshed(), "07.png", "Hat") == channels


def test_what_a_writer_deletes_stays_with_an_open_reader(made: Make, photos: Path) -> None:
    index = made()
    index.approximate(["Hat"])
    reader, other = ImageIndex.open(index.folder), ImageIndex.open(index.folder)
    near = other.search(InIndex("03.png"), "Hat", top=5, approximate=True)
    small = other.thumbnail("03.png")
    index.delete(["03.png"])
    index.compact()
    assert not list((index.folder / "lists").iterdir())
    assert reader.search(InIndex("03.png"), "Hat", top=5, approximate=True) == near  # all exact: its lists are gone
    assert other.search(InIndex("03.png"), "Hat", top=5, approximate=True) == near
    assert reader.thumbnail("03.png") == small
    assert reader.labels == ("even",)
    reader.refresh()
    with pytest.raises(UnknownImage):
        reader.thumbnail("03.png")
    with pytest.raises(IndexFault, match="has no lists for Hat"):
        reader.search(photos / "03.png", "Hat", approximate=True)


def test_another_index_in_the_same_folder_is_not_taken_for_this_one(made: Make) -> None:
    index, other = made(), made(folder="other", precision="int8")
    index.folder.rename(index.folder.with_name("away"))
    other.folder.rename(index.folder)
    before = index.search(InIndex("03.png"), "Hat")
    with pytest.raises(IndexFault, match="another index was written here since it was opened; open it again"):
        index.refresh()
    assert index.search(InIndex("03.png"), "Hat") == before


def test_threads_search_and_refresh_while_another_process_writes(made: Make, photos: Path) -> None:
    index = made()
    writer = os.fork()
    if not writer:
        torch.set_num_threads(1)  # a forked process must not start threads of these
        faiss.omp_set_num_threads(1)
        _write_all_sorts(ImageIndex.open(index.folder), photos)
        os._exit(0)

    def read(thread: int) -> int:
        done = 0
        while not ended or done < 3:
            mine = index if thread else ImageIndex.open(index.folder)
            mine.refresh()
            _check_reads(mine)
            done += 1
        return done

    ended: list[int] = []
    with ThreadPoolExecutor() as pool:
        threads = [pool.submit(read, thread) for thread in range(3)]
        try:
            ended.append(os.waitpid(writer, 0)[1])
        finally:
            ended.append(0)
        assert all(thread.result() >= 3 for thread in threads)
    assert ended[0] == 0
    index.refresh()
    assert len(index) == 20


def _write_all_sorts(index: ImageIndex, photos: Path) -> None:
    for number in range(4):
        index.add([SourceImage(f"{number}.new", photos / "03.png", labels={f"kind {number}": "new"})])
        index.delete([f"{number}.new", "19.png"])
        index.add([SourceImage("19.png", photos / "19.png")])
        index.approximate(["Hat"])
        index.compact()


def _check_reads(index: ImageIndex) -> None:
    """Read everything about images that are always there."""
    found = index.search(InIndex("03.png"), "Hat", top=30)
    names = [match.id for match in found]
    assert len(names) == len(set(names))
    assert {f"{number:02}.png" for number in range(19)} - {"03.png"} <= set(names)
    assert "03.png" not in names
    ranks = index.ranks(InIndex("03.png"), ["04.png", "05.png"], ["Hat", "Smiling"], where=["even=True|False"])
    assert all(1 <= rank <= 20 for task in ranks.values() for rank in task)
    assert index.explain(InIndex("03.png"), "04.png", "Hat")
    assert index.thumbnail("05.png").startswith(b"\xff\xd8")
    assert "even" in index.labels
    near = _near(index)
    assert near is None or {f"{number:02}.png" for number in range(19)} - {"03.png"} <= near


def _near(index: ImageIndex) -> set[str] | None:
    """Return what lists find, None if there are none at the moment."""
    try:
        return {match.id for match in index.search(InIndex("03.png"), "Hat", top=30, approximate=True)}
    except IndexFault as fault:
        if "has no lists for Hat" not in str(fault):
            raise
        return None
