"""The vectors of an index take the bytes that ``modstudy storage`` forecasts for its gallery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.index import ImageIndex, SourceImage
from trainables.networks.precision import PRECISIONS, Precision
from trainables.storage.forecast import forecast

ARMS: dict[str, tuple[dict[str, Any], int]] = {
    "embedding": ({"modulation": {"points": ("fc",)}}, 1),
    "late": ({"modulation": {"points": ("res5", "fc"), "groups": (("Smiling", "Hat"), ("Glasses",))}}, 2),
}


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_files_of_vectors_take_the_forecast_bytes(
    made: Callable[..., ImageIndex], configured: Callable[..., Any], photos: Path, arm: str, precision: Precision
) -> None:
    sections, vectors = ARMS[arm]
    index, expected = made(arm, sections, precision=precision, rescore="none"), forecast(configured(**sections))
    assert index.manifest.vectors == expected.vectors_per_image == vectors
    assert index.manifest.vector_bytes == vectors * expected.vector_bytes[precision]
    assert written(index) == 20 * vectors * expected.vector_bytes[precision]
    index.add([SourceImage("new.png", photos / "03.png")])
    assert written(index) == 21 * vectors * expected.vector_bytes[precision]
    index.delete(["00.png", "01.png"])
    index.compact()
    assert written(index) == 19 * vectors * expected.vector_bytes[precision]


def written(index: ImageIndex) -> int:
    """Return the bytes of all files of arrays, without their headers."""
    return sum(path.stat().st_size - header(path) for path in index.folder.glob("segments/*/*.npy"))


def header(path: Path) -> int:
    """Return the bytes before the numbers of an array."""
    with path.open("rb") as file:
        assert np.lib.format.read_magic(file) == (1, 0)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()
