"""A search finds what comparing every embedding one by one finds, for every kind of network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.index import ImageIndex, IndexFault, InIndex, SourceImage
from trainables.index.stored.shadow import BUILDING, Shadow

TASKS = ("Smiling", "Glasses", "Hat")
ARMS: dict[str, dict[str, Any]] = {
    "embedding": {"modulation": {"points": ("fc",)}},
    "shift": {"modulation": {"points": ("fc",), "form": "scale_shift"}},
    "gate": {"modulation": {"points": ("fc",), "form": "squeeze_excite"}},
    "late": {"modulation": {"points": ("res5", "fc"), "groups": (("Smiling", "Hat"), ("Glasses",))}},
    "separate": {"modulation": {}, "network_groups": (("Smiling",), ("Glasses",), ("Hat",))},
    "raw": {"modulation": {"points": ("fc",)}, "loss": {"normalize": False}},
}


Make = Callable[..., ImageIndex]


def by_loop(index: ImageIndex, photos: Path, task: str, query: Path) -> list[tuple[str, float]]:
    """Return ids and similarities, best first, from the task's own embeddings, one image after the other."""
    names = sorted(path.name for path in photos.iterdir())
    wanted, *others = index.model.embed([query, *(photos / name for name in names)], task).double()
    found = []
    for name, own in zip(names, others, strict=True):
        normalized = index.packed.normalize
        found.append((name, float(own @ wanted if normalized else -(own - wanted).square().sum())))
    return sorted(found, key=lambda one: -one[1])


@pytest.mark.parametrize("arm", ARMS)
def test_exact_search_is_that_of_the_embeddings_of_each_task(made: Make, photos: Path, arm: str) -> None:
    index = made(arm, ARMS[arm])
    vectors = {"late": 2, "separate": 3}.get(arm, 1)
    assert index.manifest.vectors == vectors
    for task in TASKS:
        truth = by_loop(index, photos, task, photos / "03.png")
        for query in (photos / "03.png", InIndex("03.png")):
            found = index.search(query, task, top=20)
            known = dict(truth)
            assert [match.similarity for match in found] == pytest.approx(
                [known[match.id] for match in found], abs=2e-5
            )
            expected = [similarity for name, similarity in truth if found[0].id == "03.png" or name != "03.png"]
            assert [match.similarity for match in found] == pytest.approx(expected, abs=2e-5)
            assert len(found) == (19 if isinstance(query, InIndex) else 20)


def test_tasks_are_weighed_and_filters_hold(made: Make, photos: Path) -> None:
    index = made()
    weights = {"Smiling": 1.0, "Hat": -0.5}
    found = index.search(photos / "03.png", weights, top=20, where=["even=False", "source!=*/05.png"])
    alone = {
        task: {one.id: one.similarity for one in index.search(photos / "03.png", task, top=20)} for task in weights
    }
    names = {f"{number:02}.png" for number in range(1, 20, 2)} - {"05.png"}
    truth = {name: sum(weight * alone[task][name] for task, weight in weights.items()) for name in names}
    assert {match.id: match.similarity for match in found} == pytest.approx(truth, abs=1e-6)
    assert [match.similarity for match in found] == sorted((match.similarity for match in found), reverse=True)
    assert found[0].labels == {"even": "False"}
    assert found[0].by_task.keys() == weights.keys()
    assert index.search(photos / "03.png", "Hat", where={"even": "maybe|never"}) == ()


def test_what_cannot_be_searched_is_refused_in_one_line(made: Make, photos: Path) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"task": "Smilin"}, "task: unknown 'Smilin'; did you mean 'Smiling'?"),
        ({"task": {"Hat": 0}}, "task: Hat: a weight should be a number other than 0"),
        ({"task": {}}, "task: name at least one"),
        ({"where": ["even"]}, "where: 'even': should be COLUMN=PATTERN"),
        ({"where": ["evn=1"]}, "where: unknown label 'evn'; did you mean 'even'?; known: source, id, even"),
        ({"top": 0}, "top: should be at least 1"),
        ({"image": InIndex("no.png")}, "holds no image 'no.png'"),
    ]
    index = made()
    for changes, message in refused:
        asked = {"image": InIndex("03.png"), "task": "Hat", **changes}
        with pytest.raises(IndexFault) as error:
            index.search(asked.pop("image"), asked.pop("task"), **asked)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("precision", "bytes_"), [("fp16", 2 * 16), ("int8", 16 + 4), ("1bit", 2 + 16 + 4)])
def test_coarse_vectors_find_what_fp32_finds_and_take_the_bytes_they_say(
    made: Make, photos: Path, precision: Any, bytes_: int
) -> None:
    exact, index = made(), made(folder=precision, precision=precision)
    for task in ("Hat", {"Hat": 1.0, "Smiling": -0.5}):
        expected, found = (one.search(photos / "03.png", task, top=20) for one in (exact, index))
        known = {match.id: match.similarity for match in expected}
        assert [match.similarity for match in found] == pytest.approx([known[match.id] for match in found], abs=0.02)
        assert found[0].id == "03.png"
    stored = sum(path.stat().st_size - 128 for path in (index.folder / "segments/000001").glob("*.npy"))
    assert stored == 20 * bytes_
    assert index.manifest.vector_bytes == bytes_


@pytest.mark.parametrize("arm", ["embedding", "late"])
def test_lists_find_near_images_and_all_of_them_if_asked(made: Make, photos: Path, arm: str) -> None:
    index = made(arm, ARMS[arm])
    query = InIndex("03.png")
    with pytest.raises(IndexFault, match="has no lists for Hat; build them: modstudy index INDEX --approximate"):
        index.search(query, "Hat", approximate=True)
    assert index.approximate() == {"embedding": 3, "late": 2}[arm]
    assert index.approximate() == 0  # they are not stale
    exact = index.search(query, "Hat", top=19)
    wide = index.search(query, "Hat", top=19, approximate=True)
    assert [match.id for match in wide] == [match.id for match in exact]
    assert [match.similarity for match in wide] == pytest.approx([match.similarity for match in exact], abs=1e-6)
    few = index.search(query, "Hat", top=3, approximate=True, where=["even=True"])
    assert {match.id for match in few} <= {match.id for match in exact if match.labels["even"] == "True"}
    index.delete(["04.png"])
    index.add([SourceImage("new.png", photos / "03.png")])  # in no list, and found all the same
    assert index.search(query, "Hat", top=1, approximate=True)[0].id == "new.png"
    index.compact()
    with pytest.raises(IndexFault, match="has no lists"):
        index.search(query, "Hat", approximate=True)


def test_the_channels_of_a_match_sum_to_its_similarity_and_ranks_are_those_of_each_task(
    made: Make, photos: Path
) -> None:
    index = made()
    query = photos / "03.png"
    found = index.search(query, "Hat", top=20)
    channels = index.explain(query, found[4].id, "Hat")
    assert sum(channel.part for channel in channels) == pytest.approx(found[4].similarity, abs=1e-5)
    assert channels[0].part == max(channel.part for channel in channels)
    factors = dict(index.model.network.members[0].points().items())["fc"].factors()[2]  # type: ignore[operator]
    assert {channel.channel: channel.factor for channel in channels} == pytest.approx(dict(enumerate(factors.tolist())))
    for task, ranks in index.ranks(query, [match.id for match in found]).items():
        order = [match.id for match in index.search(query, task, top=20)]
        assert ranks == [1 + order.index(match.id) for match in found]


@pytest.mark.parametrize("arm", ["embedding", "shift", "raw"])
def test_a_shadow_finds_exactly_what_comparing_every_vector_finds(
    made: Make, photos: Path, arm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = made(arm, ARMS[arm])
    tasks = {"Hat": 1.0, "Smiling": -0.5}
    before = index.search(photos / "03.png", tasks, top=7, where=["id!=04.png"])
    monkeypatch.setattr("trainables.index.stored.segments.FEWEST_ROWS", 1)
    monkeypatch.setattr("trainables.index.stored.segments.SEARCHES", 0)
    index.segments[0].shadow(0)  # a thread makes it
    for thread in threading.enumerate():
        if thread.name == BUILDING:
            thread.join()
    assert index.segments[0].shadow(0) is not None
    after = index.search(photos / "03.png", tasks, top=7, where=["id!=04.png"])
    assert [match.id for match in after] == [match.id for match in before]
    assert [match.similarity for match in after] == pytest.approx([match.similarity for match in before], abs=1e-5)


def test_the_bounds_of_a_shadow_hold() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(5000, 96, generator=generator) * torch.logspace(-3, 3, 5000)[:, None]
    shadow = Shadow(vectors)
    for scale in (1e-3, 1.0, 1e3):
        weights, found = scale * torch.randn(96, generator=generator), np.empty(5000, dtype=np.float32)
        off = shadow.products(weights, found)
        error = np.abs((vectors.double() @ weights.double()).numpy() - found)
        assert (error <= off).all()
        assert np.median(off) < 0.02 * float(vectors.norm(dim=1).median() * weights.norm())
