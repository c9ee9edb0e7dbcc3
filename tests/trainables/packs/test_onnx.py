"""A task's network in onnxruntime gives the embeddings of torch, from what the file itself says of its input."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.packs import PackError, RetrievalModel

REPOSITORY = Path(__file__).resolve().parents[3]

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

Export = Callable[..., tuple[Path, Any, Any]]


def check_file(path: Path, model: RetrievalModel, task: str) -> dict[str, str]:
    """Embed pictures as a reader of the file would, and return its metadata."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = session.get_modelmeta().custom_metadata_map
    rule = json.loads(known["modulation_study.preprocessing"])
    size = rule["size"]
    pixels = np.random.default_rng(0).integers(0, 256, (5, size, size, 3), dtype=np.uint8)
    scaled = pixels.astype(np.float32) / rule["scale"] - np.array(rule["mean"], np.float32)
    images = (scaled / np.array(rule["deviation"], np.float32)).transpose(0, 3, 1, 2)
    truth = model.embed(pixels, task)
    for count in (1, 5):
        (found,) = session.run(None, {"images": images[:count]})
        torch.testing.assert_close(torch.from_numpy(found), truth[:count], rtol=0, atol=1e-5)
    return known


@pytest.mark.long
def test_a_task_becomes_one_file_that_says_how_to_feed_it(export: Export, tmp_path: Path) -> None:
    data = {"tasks": ("Smiling", "Glasses", "Hat"), "image_size": 48, "preprocessing": "imagenet"}
    folder, *_ = export(data=data)
    model = RetrievalModel.load(folder)
    path = model.to_onnx("Hat", tmp_path / "new" / "hat.onnx")
    known = check_file(path, model, "Hat")
    assert known["modulation_study.task"] == "Hat"
    assert [one.name for one in path.parent.iterdir()] == ["hat.onnx"]
    content = path.read_bytes()
    assert str(REPOSITORY).encode() not in content
    assert b"site-packages" not in content


@pytest.mark.long
@pytest.mark.parametrize("form", ["squeeze_excite", "weight_mask", "csn_resnet18"])
def test_other_forms_and_networks_have_onnx_files(export: Export, tmp_path: Path, form: str) -> None:
    sections: dict[str, Any] = {"modulation": {"points": ("res5", "fc"), "form": form}}
    if form == "csn_resnet18":
        sections = {
            "network": {"backbone": form, "width": 0.125},
            "modulation": {"points": ("layer2", "layer3"), "form": "batch_norm"},
        }
    folder, *_ = export(**sections)
    model = RetrievalModel.load(folder)
    check_file(model.to_onnx("Hat", tmp_path / "hat.onnx"), model, "Hat")


def test_what_has_no_equal_onnx_file_is_not_written(
    export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, *_ = export()
    model = RetrievalModel.load(folder)
    with pytest.raises(PackError, match="did you mean 'Hat'"):
        model.to_onnx("Hut", tmp_path / "hat.onnx")
    monkeypatch.setattr("trainables.packs.onnx_file.find_spec", lambda name: None if "run" in name else find_spec(name))
    with pytest.raises(PackError, match=r"needs the package onnxruntime: pip install 'modulation-study\[onnx\]'"):
        model.to_onnx("Hat", tmp_path / "hat.onnx")
    assert list(tmp_path.glob("*.onnx")) == []
