"""The service finds what the index finds, shows names and no paths, and stays answerable while it is busy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client import Gauge
from starlette.testclient import TestClient

from benchmarks.drawn_index import TASKS, drawn_image
from study.serve.refusals import Refusal
from study.serve.settings import Limits, ServeSettings
from study.serve.turns import Turns
from trainables.index import ImageIndex, InIndex

Upload = Callable[..., dict[str, Any]]


def test_an_upload_finds_what_the_index_finds(client: TestClient, index: ImageIndex, upload: Upload) -> None:
    weights = {"type": 1.0, "heel": -0.5}
    form = upload(drawn_image(99), rankings=["colour", weights], top=5, where=["type=boot"])
    reply = client.post("/api/search", **form)
    assert reply.status_code == 200, reply.text
    for ranking, task in zip(reply.json()["rankings"], ["colour", weights], strict=True):
        expected = index.search(drawn_image(99), task, top=5, where=["type=boot"])
        assert [one["id"] for one in ranking["neighbours"]] == [match.id for match in expected]
        assert [one["similarity"] for one in ranking["neighbours"]] == pytest.approx([m.similarity for m in expected])
        assert all(one["labels"] == {"type": "boot"} for one in ranking["neighbours"])


def test_an_image_of_the_index_finds_its_neighbours_and_why(client: TestClient, index: ImageIndex) -> None:
    asked = {"query": "photos/7", "rankings": list(TASKS), "top": 30}
    rankings = client.post("/api/search/indexed", json=asked).json()["rankings"]
    for ranking, task in zip(rankings, TASKS, strict=True):
        expected = [match.id for match in index.search(InIndex("photos/7"), task, top=30)]
        assert [one["id"] for one in ranking["neighbours"]] == expected
    assert "photos/7" not in expected
    assert len({tuple(one["id"] for one in ranking["neighbours"]) for ranking in rankings}) == 3
    names = {one["id"]: one["source"] for one in rankings[0]["neighbours"]}
    assert names["photos/0"] == "<img src=x onerror=alert(1)>.png"  # a name is data; the page escapes it
    assert names["photos/3"] == "3.png"  # without the folders of the machine

    found = client.post("/api/explain/indexed", json={"query": "photos/7", "id": "photos/8", "task": "heel"})
    told = [(one["channel"], one["share"]) for one in found.json()["channels"]]
    channels = index.explain(InIndex("photos/7"), "photos/8", "heel")
    assert told == [(one.channel, pytest.approx(one.share)) for one in channels[:12]]


def test_the_index_is_described_and_its_images_are_small_jpegs(client: TestClient) -> None:
    told = client.get("/api/index").json()
    assert told["images"] == 30
    assert [task["name"] for task in told["tasks"]] == list(TASKS)
    assert told["tasks"][0]["classes"] == ["boot", "shoe"]
    image = client.get("/api/image", params={"id": told["samples"][0]["id"]})
    assert (image.headers["content-type"], image.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert client.get("/openapi.json").json()["paths"]["/api/search"]["post"]["responses"]["503"]


def test_beyond_the_bound_searches_are_sent_away_while_the_service_stays_answerable(
    serving: Callable[..., Any], index: ImageIndex, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, search = threading.Event(), threading.Event(), index.search

    def slow(*given: Any, **named: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return search(*given, **named)

    monkeypatch.setattr(index, "search", slow)
    client = serving(ServeSettings(limits=Limits(searches=1, waiting=0)))
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(client.post, "/api/search", **upload())
        assert begun.wait(20)
        second = client.post("/api/search", **upload())
        assert (second.status_code, second.headers["retry-after"]) == (503, "1")
        assert second.json() == {"error": "too many searches at once; try again in a moment"}
        assert client.get("/healthz").status_code == 200
        assert "modstudy_searches_in_progress 1.0" in client.get("/metrics").text
        go_on.set()
        assert first.result().status_code == 200
        assert client.post("/api/search", **upload()).status_code == 200


async def _eventually(turns: Turns) -> bool:
    """Take a turn as soon as there is one."""
    try:
        return await turns.take(lambda: True)
    except Refusal:
        return await _eventually(turns)


def test_work_that_takes_too_long_keeps_its_place_until_it_ends(awaited: Callable[..., Any]) -> None:
    go_on = threading.Event()

    async def scenario() -> list[str]:
        turns = Turns(1, 1, 0.05, Gauge("turns", "", registry=None))
        running, waiting, beyond = await asyncio.gather(
            *(turns.take(lambda: go_on.wait(20)) for _ in range(3)), return_exceptions=True
        )
        with pytest.raises(Refusal, match="no answer within"):  # the one that waited has left, the first has not
            await turns.take(lambda: True)
        go_on.set()
        assert await _eventually(turns)
        turns.close()
        return [str(one) for one in (running, waiting, beyond)]

    assert awaited(scenario()) == [
        "no answer within 0.05 s; try again in a moment",
        "no answer within 0.05 s; try again in a moment",
        "too many searches at once; try again in a moment",
    ]
