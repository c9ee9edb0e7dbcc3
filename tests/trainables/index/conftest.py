"""Small indexes of networks with drawn weights, and what their search should find, by a plain loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawn_network import drawn_model, facts
from trainables.config.trial import TrialConfig
from trainables.index import ImageIndex, SourceImage
from trainables.networks.multi_task import MultiTaskModel
from trainables.packs.exporting import TrainedNetwork, export_network

TASKS = ("Smiling", "Glasses", "Hat")
EMBEDDING: dict[str, Any] = {"modulation": {"points": ("fc",)}}


def configured(**sections: Any) -> TrialConfig:
    network = {"backbone": "simplenet", "width": 0.0625}
    return TrialConfig.model_validate({"data": {"tasks": TASKS, "image_size": 48}, "network": network, **sections})


def drawn(config: TrialConfig) -> MultiTaskModel:
    return drawn_model(config, spread=0.5)


def export(folder: Path, sections: dict[str, Any]) -> Path:
    config = configured(**sections)
    export_network(folder, "faces/arm", TrainedNetwork(drawn(config), config), facts({"Smiling": ("no", "yes")}))
    return folder


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="session", name="configured")
def _configured() -> Callable[..., TrialConfig]:
    """Make the configuration of a network, with some sections of its own."""
    return configured


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twenty images."""
    folder = tmp_path_factory.mktemp("images") / "photos"
    folder.mkdir()
    for number, pixels in enumerate(pictures(20)):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of packs of an arm; without sections, its embedding alone is modulated."""
    folder, known = tmp_path_factory.mktemp("packs"), {}

    def made(arm: str = "embedding", sections: dict[str, Any] | None = None) -> Path:
        if arm not in known:
            known[arm] = export(folder / arm, sections or EMBEDDING)
        return known[arm]

    return made


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, pack: Any, photos: Path) -> Callable[..., Path]:
    """The folder of an index of the photos by the network of an arm, written once; to be copied, not changed."""
    known: dict[tuple[Any, ...], Path] = {}

    def write(arm: str, sections: dict[str, Any] | None, **options: Any) -> Path:
        key = (arm, *sorted(options.items()))
        if key not in known:
            index = ImageIndex.create(tmp_path_factory.mktemp("written"), pack(arm, sections), **options)
            index.add(
                SourceImage(path.name, path, labels={"even": str(int(path.stem) % 2 == 0)})
                for path in sorted(photos.iterdir())
            )
            known[key] = index.folder
        return known[key]

    return write


@pytest.fixture
def made(tmp_path: Path, written: Callable[..., Path]) -> Callable[..., ImageIndex]:
    """Open an index of the photos by the network of an arm, which the test may change."""

    def make(
        arm: str = "embedding", sections: dict[str, Any] | None = None, folder: str = "index", **options: Any
    ) -> ImageIndex:
        shutil.copytree(written(arm, sections, **options), tmp_path / folder)
        opening = {key: value for key, value in options.items() if key in {"device", "run_code"}}
        return ImageIndex.open(tmp_path / folder, **opening)

    return make
