from __future__ import annotations

import sys
from pathlib import Path

import pytest

from study.layout import dataset_cache


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder as Linux has it")
def test_decoded_images_stay_where_they_always_were(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MODSTUDY_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert dataset_cache() == tmp_path / ".cache" / "modstudy"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert dataset_cache() == tmp_path / "elsewhere" / "modstudy"
    monkeypatch.setenv("MODSTUDY_CACHE", "~/chosen")
    assert dataset_cache() == tmp_path / "chosen"
