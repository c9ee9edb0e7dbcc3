"""A writer that is killed before any change of the folder leaves the index as it was, or as it was to be."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import faiss
import pytest
import torch

from trainables.index import ImageIndex, IndexFault, InIndex, SourceImage

Make = Callable[..., ImageIndex]
Write = Callable[[ImageIndex], object]

TASKS = {"0:0": "Smiling", "0:2": "Hat"}
"""By the key of their lists."""

CHANGES = {"os.rename", "os.remove", "os.rmdir"}
"""Events by which Python tells that the folder is about to change; files are written under other names before."""


def added(photos: Path) -> Write:
    new = SourceImage("new.png", photos / "05.png")
    other = SourceImage("03.png", photos / "07.png", str(photos / "03.png"), stamp="changed")
    return lambda index: index.add([other, new])


WRITES: dict[str, Callable[[Path], Write]] = {
    "add and replace": added,
    "delete": lambda _: lambda index: index.delete(["05.png", "more 0.png"]),
    "compact": lambda _: lambda index: index.compact(),
    "lists": lambda _: lambda index: index.approximate(["Hat"]),
}


@pytest.fixture
def index(made: Make, photos: Path) -> ImageIndex:
    """An index of two segments, in both of which an image is deleted, and with lists of one task."""
    index = made()
    index.add([SourceImage(f"more {number}.png", photos / "04.png") for number in range(3)])
    index.delete(["02.png", "more 1.png"])
    index.approximate(["Smiling"])
    return index


LONG = {"add and replace", "compact"}
"""They change the folder often, and each time a process is forked."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in WRITES])
def test_a_killed_writer_leaves_what_was_or_what_was_to_be(
    name: str, index: ImageIndex, photos: Path, tmp_path: Path
) -> None:
    write, done = WRITES[name](photos), opened_copy(index, tmp_path / "done")
    before = state(done)
    write(done)
    after = state(done)
    states = []
    for step in range(100):
        copy = opened_copy(index, tmp_path / str(step))
        killed = die_at(step, lambda copy=copy: write(copy))
        copy.refresh()
        states.append(state(copy))
        assert states[-1] in (before, after)
        if not killed:
            break
        if states[-1] == before:
            write(copy)
        else:
            copy.add([])  # a writer that has nothing to do
        assert state(copy) == after
        assert leftovers(copy) == set()
    assert states == sorted(states, key=lambda found: found == after), "the manifest changes it, at once"
    assert states[0] == before != after == states[-1]
    assert len(states) > 4


def test_an_index_whose_creation_was_killed_is_created_again(pack: Callable[..., Path], tmp_path: Path) -> None:
    for step in range(20):
        place = tmp_path / str(step)
        killed = die_at(step, lambda place=place: ImageIndex.create(place, pack()))
        if not killed:
            break
        with pytest.raises(IndexFault, match="not an index of images"):
            ImageIndex.open(place)
        assert len(ImageIndex.create(place, pack())) == 0
    assert step > 2


def opened_copy(index: ImageIndex, folder: Path) -> ImageIndex:
    shutil.copytree(index.folder, folder)
    return ImageIndex.open(folder)


def state(index: ImageIndex) -> tuple[object, ...]:
    """Return what a reader finds, and which segments and lists there are."""
    assert [path for segment in index.segments for path in segment.damaged()] == []
    found = [(one.id, one.similarity) for one in index.search(InIndex("04.png"), "Hat", top=100)]
    lists = sorted(index.manifest.lists)
    near = [index.search(InIndex("04.png"), TASKS[key], top=5, approximate=True) for key in lists]
    return found, near, [segment.facts.version for segment in index.segments], lists


def leftovers(index: ImageIndex) -> set[str]:
    """Return the files and folders that the manifest does not name."""
    manifest, folder = index.manifest, index.folder
    named = {f"segments/{segment.number:06}" for segment in manifest.segments}
    named |= {f"tombstones/{segment.tombstones:06}.npy" for segment in manifest.segments if segment.tombstones}
    named |= {f"lists/{facts.number:06}" for facts in manifest.lists.values()}
    places = [path for kind in ("segments", "tombstones", "lists") for path in folder.glob(f"{kind}/*")]
    there = {f"{path.parent.name}/{path.name}" for path in places}
    assert named <= there
    return there - named | {str(path.relative_to(folder)) for path in folder.rglob("*.tmp")}


def die_at(step: int, work: Callable[[], object]) -> bool:
    """Do work in a forked process that is killed before its change of number ``step``; return whether it was."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or status == 0
        return os.WIFSIGNALED(status)
    torch.set_num_threads(1)  # a forked process must not start threads of these
    faiss.omp_set_num_threads(1)
    count = [0]

    def hook(event: str, _: object) -> None:
        if event in CHANGES:
            if count[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1

    sys.addaudithook(hook)
    status = 1
    try:
        work()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)
