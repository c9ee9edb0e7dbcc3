"""An index of generated images by a network with drawn weights: what a service can be tried on without training."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.drawn_network import drawn_model, facts
from trainables.config.trial import TrialConfig
from trainables.index import ImageIndex, SourceImage
from trainables.packs.exporting import TrainedNetwork, export_network

TASKS = ("type", "colour", "heel")


def drawn_index(folder: Path, count: int, names: Mapping[int, str] | None = None, size: int = 48) -> ImageIndex:
    """Write an index of ``count`` images and return it.

    Args:
        folder: Where; a folder of packs is written beside it.
        count: Number of images.
        names: Sources of some of them, by number; else ``photos/NUMBER.png``.
        size: Side of the network's images in pixels.
    """
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": size},
            "network": {"backbone": "simplenet", "width": 0.0625},
            "modulation": {"points": ("res5", "fc")},
        }
    )
    packs = folder.parent / f"{folder.name}-packs"
    network = TrainedNetwork(drawn_model(config, spread=2), config)
    export_network(packs, "drawn/late", network, facts({"type": ("boot", "shoe")}))
    index = ImageIndex.create(folder, packs)
    index.add(_images(count, names or {}))
    return index


def drawn_image(number: int, side: int = 64, kind: str = "PNG") -> bytes:
    """Return a picture of coloured shapes as the bytes of a file, the same for every number."""
    drawn = np.random.default_rng(number)
    y, x = np.mgrid[0:side, 0:side] / side
    picture = np.empty((side, side, 3))
    picture[:] = drawn.uniform(0, 255, 3)
    for _ in range(int(drawn.integers(1, 5))):
        centre, radius = drawn.uniform(0.1, 0.9, 2), drawn.uniform(0.05, 0.4)
        round_one = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        square = (abs(x - centre[0]) < radius) & (abs(y - centre[1]) < radius / 2)
        picture[round_one if drawn.random() < 0.5 else square] = drawn.uniform(0, 255, 3)
    file = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(file, kind)
    return file.getvalue()


def _images(count: int, names: Mapping[int, str]) -> Iterator[SourceImage]:
    for number in range(count):
        yield SourceImage(
            id=f"photos/{number}",
            content=drawn_image(number),
            source=names.get(number, f"photos/{number}.png"),
            labels={"type": ("boot", "shoe")[number % 2]},
        )
