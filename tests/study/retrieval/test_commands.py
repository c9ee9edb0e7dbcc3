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
    home = tmp_path_factory.mktemp("home")
    export(home / "packs", {"backbone": "simplenet", "width": 0.0625}, "fc")
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)):
        place = home / "photos" / ("left", "right")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    (home / "photos" / "broken.png").write_bytes(b"no image")
    return home


def export(packs: Path, network: dict[str, Any], point: str) -> None:
    from benchmarks.drawn_network import facts
    from trainables.config.trial import TrialConfig
    from trainables.networks.multi_task import build_model
    from trainables.packs.exporting import TrainedNetwork, export_network

    settings = {"data": {"tasks": TASKS, "image_size": 48}, "network": network, "modulation": {"points": (point,)}}
    config = TrialConfig.model_validate(settings)
    export_network(packs, "x", TrainedNetwork(build_model(config).eval(), config), facts())


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


def test_a_network_of_ones_own_is_imported_by_who_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_network_to_index.py").write_text(f"from torch import nn\nsmall = {code}\n")
    monkeypatch.syspath_prepend(tmp_path / "code")
    export(tmp_path / "packs", {"backbone": "my_network_to_index:small", "points": ("0", "3")}, "3")
    commands: dict[str, tuple[Any, ...]] = {
        "left-index: 3 images": ("index", tmp_path / "packs", home / "photos/left"),
        "left/2.png": ("retrieve", "left-index", "left/0.png", "--task", "Hat"),
    }
    for expected, args in commands.items():
        refused = run(home, *args, code=2)
        assert "is code to be imported" in refused
        assert "--run-code" in refused
        assert refused.count("\n") == 1
        assert expected in run(home, *args, "--run-code")
