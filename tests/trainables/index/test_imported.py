"""A network of the user's own, which a pack names and does not hold, can be indexed where its module is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainables.index import ImageIndex, InIndex
from trainables.packs import PackError, RetrievalModel

MODULE = """
from torch import nn

def small():
    first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))
    return nn.Sequential(first, head)
"""


def test_an_imported_network_is_indexed_and_searched_by_who_trusts_it(
    made: Callable[..., ImageIndex], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_small_network.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path / "code")
    imported: dict[str, Any] = {
        "network": {"backbone": "my_small_network:small", "points": ("0", "1")},
        "modulation": {"points": ("1",)},
    }
    with pytest.raises(PackError, match=r"is code to be imported; if you trust it.*: run_code=True, or --run-code"):
        made("imported", imported)
    index = made("imported", imported, run_code=True)
    assert index.manifest.vectors == 1
    with pytest.raises(PackError, match="is code to be imported"):
        ImageIndex.open(index.folder)
    opened = ImageIndex.open(index.folder, run_code=True)
    names = sorted(path.name for path in photos.iterdir())
    vectors = RetrievalModel.load(index.folder / "pack", run_code=True).embed([photos / name for name in names], "Hat")
    truth = dict(zip(names, (vectors @ vectors[3]).tolist(), strict=True))
    found = opened.search(InIndex("03.png"), "Hat", top=30)
    assert {match.id: match.similarity for match in found} == pytest.approx(
        {name: similarity for name, similarity in truth.items() if name != "03.png"}, abs=2e-5
    )
