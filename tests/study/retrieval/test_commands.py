"""``modstudy index`` and ``modstudy retrieve``, from images to neighbours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from study.cli import app

TASKS = ("Smiling", "Hat")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packs of a network with drawn weights, and images of which one is damaged."""
    from benchmarks.drawn_network import facts
    from trainables.config.trial import TrialConfig
    from trainables.networks.multi_task import build_model
    from trainables.packs.exporting import TrainedNetwork, export_network

    home = tmp_path_factory.mktemp("home")
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": 48},
            "network": {"backbone": "simplenet", "width": 0.0625},
            "modulation": {"points": ("fc",)},
        }
    )
    export_network(home / "packs", "x", TrainedNetwork(build_model(config).eval(), config), facts())
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)):
        place = home / "photos" / ("left", "right")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    (home / "photos" / "broken.png").write_bytes(b"no image")
    return home


def run(home: Path, *args: Any, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.output


def test_images_are_indexed_and_searched(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = run(home, "index", home / "packs", home / "photos", "--precision", "int8")
    assert "photos-index: 6 images" in first
    assert "skipped: 1 that cannot be used:\n  photos/broken.png: " in first
    assert "in the index already: 6" in run(home, "index", home / "packs", home / "photos")
    query = home / "photos/left/2.png"
    args = ("retrieve", "photos-index", query, "--task", "Hat", "--task", "Smiling=-0.5", "--where", "folder=left")
    found = json.loads(run(home, *args, "--json", "--explain", "--grid", tmp_path / "out.png"))
    assert found["matches"][0]["id"] == "photos/left/2.png"
    assert {match["labels"]["folder"] for match in found["matches"]} == {"left"}
    assert found["tasks"] == {"Hat": 1.0, "Smiling": -0.5}
    assert found["matches"][0]["ranks"] == {"Hat": 1, "Smiling": 1}
    assert len(found["matches"][0]["channels"]["Hat"]) == 5
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (4 * 136 + 8, 166 + 8)
    shown = run(home, "retrieve", "photos-index", "photos/right/1.png", "--task", "Hat", "--explain")
    assert "photos/left/2.png" in shown
    assert "Hat: the channels that carry each match, the task's factor for each, and their share" in shown
    assert re.search(r"^ +1 +\d+ x1\.00 \d+%, ", shown, re.MULTILINE)
    assert "of these 5, 5 are among the 5 nearest for Hat alone" in shown
    assert "lists for approximate search: 2 built" in run(home, "index", "photos-index", "--approximate", "--compact")
    assert "photos/left/2.png" in run(home, "retrieve", "photos-index", query, "--task", "Hat", "--approximate")
    assert "3 images" in run(
        home, "index", "photos-index", *(f"--delete=photos/right/{number}.png" for number in (1, 3, 5))
    )


def test_what_a_user_can_mend_is_one_line(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(home, "index", home / "packs", home / "photos/left", "--out", "a", "--task", "Hat")
    for args, message in (
        (("index", home / "packs"), "name the images to index"),
        (("index", home / "packs", home / "absent"), "no such folder or file"),
        (("index", home / "packs", home / "photos", "--strict"), "photos/broken.png: "),
        (
            ("index", home / "packs", home / "photos/right", "--out", "a"),
            "to add them: --append".removeprefix("to add them"),
        ),
        (("index", home / "packs", home / "photos", "--out", "b", "--precision", "int9"), "did you mean 'int8'?"),
        (("index", "a", "--delete", "x"), "holds no image 'x'"),
        (("retrieve", "absent", "x"), "not an index of images"),
        (("retrieve", "a", "x"), "x: neither the file of an image nor the id of one in a"),
        (("retrieve", "a", home / "photos/broken.png"), "broken.png"),
        (("retrieve", "a", home / "photos/left/0.png", "--task", "Hat=much"), "a weight should be a number"),
        (("retrieve", "a", home / "photos/left/0.png", "--grid", "x.txt"), "should end in .png"),
    ):
        output = run(home, *args, code=2)
        assert message in output
        assert output.count("\n") == 1, output
