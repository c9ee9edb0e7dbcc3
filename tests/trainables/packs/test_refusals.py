"""What a folder of packs may not hold is refused in one line that names the file, the rule and the way out."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from trainables.packs import PackError, RetrievalModel, copy_tasks, remove_tasks

NAME = "faces/late"


@pytest.fixture
def folder(export: Any) -> Path:
    place, *_ = export()
    return place


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def pack_of(folder: Path, group: int = 0) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest["models"][NAME]["networks"][0]["groups"][group]["pack"]


def replace_pack(folder: Path, content: bytes) -> None:
    """Put other bytes in the place of a pack, as somebody would who also edits the manifest."""
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / "tensors" / f"{sha256}.safetensors").write_bytes(content)
    group = {"sha256": sha256, "bytes": len(content), "tensor_bytes": 0}
    change(folder, lambda m: m["models"][NAME]["networks"][0]["groups"][0].update(pack=group))


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(PackError) as refused:
        RetrievalModel.load(folder, **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


class _RunsCode:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pickle-was-run",)


def test_pickles_are_never_loaded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pt")
    for content in (pickle.dumps(_RunsCode()), (tmp_path / "x.pt").read_bytes()):
        replace_pack(folder, content)
        assert "pickled, which can run code and is never loaded; export it again as safetensors" in refusal(folder)
    assert not (tmp_path / "pickle-was-run").exists()
    replace_pack(folder, b"not a tensor, but long enough")
    assert "not a safetensors file (" in refusal(folder)


@pytest.mark.parametrize("place", ["../../secret", "/etc/passwd", "..", "a" * 63 + "/"])
def test_a_manifest_cannot_name_a_path(folder: Path, place: str) -> None:
    change(folder, lambda m: m["models"][NAME]["networks"][0]["backbone"].update(sha256=place))
    assert f"networks.0.backbone.sha256: String should match pattern '^[0-9a-f]{{64}}$', got '{place}" in refusal(
        folder
    )


def test_a_path_of_weights_or_code_in_a_manifest_is_refused(folder: Path) -> None:
    change(folder, lambda m: m["models"][NAME]["network"].update(weights={"path": "/etc/passwd"}))
    assert "weights and folder are paths, which a manifest may not hold" in refusal(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    file = folder / "tensors" / f"{pack_of(folder)['sha256']}.safetensors"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    message = refusal(folder)
    assert f"{file}: leads to {tmp_path / 'elsewhere'}, outside {folder}" in message
    file.unlink()
    assert "missing, and" in refusal(folder)
    (tmp_path / "elsewhere").rename(file)
    (folder / "tensors").rename(tmp_path / "moved")
    (folder / "tensors").symlink_to(tmp_path / "moved")
    assert "outside" in refusal(folder)


def test_a_truncated_or_altered_file_is_refused(folder: Path) -> None:
    file = folder / "tensors" / f"{pack_of(folder)['sha256']}.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-3])
    assert refusal(folder) == (
        f"{file}: truncated: {len(content) - 3} bytes, and the manifest says {len(content)}; copy the file again"
    )
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "its hash does not match" in refusal(folder)
    RetrievalModel.load(folder, tasks=["Hat"])  # the file of another task is not even read


@pytest.mark.parametrize(
    ("alter", "expected"),
    [
        (lambda t: t.double(), "should be float32 [1, 16], is float64 [1, 16]"),
        (lambda t: t[:, :5], "should be float32 [1, 16], is float32 [1, 5]"),
        (lambda _: None, "should be float32 [1, 16], is absent"),
    ],
)
def test_a_tensor_of_the_wrong_shape_or_type_is_refused(folder: Path, alter: Any, expected: str) -> None:
    file = folder / "tensors" / f"{pack_of(folder)['sha256']}.safetensors"
    tensors = safetensors.torch.load_file(file)
    name = "modulations.fc.vectors"
    changed = alter(tensors.pop(name))
    kept = tensors | ({} if changed is None else {name: changed.contiguous()})
    replace_pack(folder, safetensors.torch.save(kept))
    assert f"tensor {name}: {expected}; export the network again" in refusal(folder)


def test_a_surplus_tensor_is_refused(folder: Path) -> None:
    replace_pack(folder, safetensors.torch.save({"spy": torch.ones(2)}))
    assert "tensor modulations.fc.vectors: should be float32 [1, 16], is absent" in refusal(folder)


def test_a_manifest_of_another_version_or_kind_is_refused(folder: Path, tmp_path: Path) -> None:
    change(folder, lambda m: m["models"][NAME].update(surprise=1))
    assert f"models.{NAME}.surprise: Extra inputs are not permitted" in refusal(folder)
    change(folder, lambda m: m.update(version=2))
    assert "version: unknown 2; this release reads version 1: export the network again" in refusal(folder)
    (folder / "manifest.json").write_text('{"version": 1')
    assert "not readable as JSON" in refusal(folder)
    assert "it holds no manifest.json); to write one: modstudy export RUN" in refusal(tmp_path)


def test_an_unknown_name_gets_the_nearest_one(folder: Path, tmp_path: Path) -> None:
    model = RetrievalModel.load(folder)
    with pytest.raises(PackError, match=r"task: unknown 'Smilng'; did you mean 'Smiling'\?"):
        model.embed(np.zeros((9, 9, 3), np.uint8), "Smilng")
    assert "did you mean 'Glasses'?" in refusal(folder, tasks=["glasses"])
    assert f"did you mean {NAME!r}?" in refusal(folder, model="faces/lat")
    with pytest.raises(PackError, match="these are all of its tasks; delete the folder instead"):
        remove_tasks(folder, model.tasks)
    with pytest.raises(PackError, match="not a folder of packs"):
        remove_tasks(tmp_path / "pakcs", ["Hat"])
    assert not (tmp_path / "pakcs").exists()


def test_several_networks_have_to_be_named_and_do_not_mix(export: Any, tmp_path: Path) -> None:
    folder, *_ = export("faces/one")
    export("faces/two", modulation={"points": ("res5",)})
    assert refusal(folder) == f"{folder}: holds several networks; name one (model, --model): faces/one or faces/two"
    other, *_ = export("faces/one", folder="other", network={"width": 0.125})
    with pytest.raises(PackError, match="network: differs from that of the tasks to add; use another folder"):
        copy_tasks(other, folder, ["Hat"])
    change(folder, lambda m: m["models"]["faces/one"]["provenance"].update(trial_id="t2"))
    again, *_ = export("faces/one", folder="again")
    with pytest.raises(PackError, match=r"provenance\.trial_id: differs from that of the tasks to add"):
        copy_tasks(again, folder, ["Hat"])


def test_code_is_not_imported_unless_asked(folder: Path) -> None:
    change(folder, lambda m: m["models"][NAME]["network"].update(backbone="os:getcwd", width=1.0, points=["a"]))
    assert "network.backbone: 'os:getcwd' is code to be imported; if you trust it" in refusal(folder)


def test_a_precision_that_the_network_does_not_have_is_refused(export: Any) -> None:
    with pytest.raises(PackError, match="precision: no modulation takes two values, so there is no 1bit"):
        export(precision="1bit")


def test_what_is_no_image_is_refused_by_its_number(folder: Path, tmp_path: Path) -> None:
    model = RetrievalModel.load(folder)
    (tmp_path / "text.jpg").write_text("no image")
    good = np.zeros((9, 9, 3), np.uint8)
    bad: list[tuple[Any, str]] = [
        (tmp_path / "none.jpg", "cannot be read: No such file or directory"),
        (tmp_path / "text.jpg", "text.jpg"),
        (tmp_path, "cannot be read: Is a directory"),
        (np.zeros((9, 9, 3)), r"float64 \(9, 9, 3\): an array should be uint8 \(H, W, 3\)"),
        (torch.full((3, 9, 9), -1.0), "a tensor of fractions should be from 0 to 1"),
        (np.zeros((0, 9, 3), np.uint8), "has no pixels"),
        (Image.new("F", (9, 9)), "floating-point pixels"),
    ]
    for image, expected in bad:
        with pytest.raises(PackError, match=f"^image 1.*{expected}"):
            model.embed([good, image], "Hat")


def test_a_folder_with_another_manifest_is_left_alone(tmp_path: Path, export: Any) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "manifest.json").write_text('{"name": "a web page"}')
    with pytest.raises(PackError, match="version: unknown None"):
        export(folder="web")
    assert (tmp_path / "web" / "manifest.json").read_text() == '{"name": "a web page"}'
