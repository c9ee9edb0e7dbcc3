"""What is loaded from packs embeds like the trained network; tasks stand alone; bytes are those that were forecast."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.config.registries import FORMS
from trainables.data.preprocessing import to_network_input
from trainables.networks.multi_task import MultiTaskModel
from trainables.packs import RetrievalModel, copy_tasks, remove_tasks
from trainables.packs.manifest import PackedModel, read_manifest
from trainables.sources.reading.pixels import decode_image
from trainables.storage.built import network_bytes

REPOSITORY = Path(__file__).resolve().parents[3]
TASKS = ("Smiling", "Glasses", "Hat")
FROZEN_MASKS = {"kind": "disjoint", "off": 0.0, "trainable": False}
ARMS: dict[str, dict[str, Any]] = {
    **{form: {"modulation": {"points": ("res5", "fc"), "form": form}} for form in sorted(FORMS.built_in)},
    "embedding": {"modulation": {"points": ("fc",)}},
    "grouped": {"modulation": {"points": ("res5",), "groups": (("Smiling", "Hat"), ("Glasses",))}},
    "csn": {"modulation": {"points": ("fc",), "initialization": FROZEN_MASKS, "activation": "none"}},
    "shared": {"modulation": {}},
    "separate": {"modulation": {}, "network_groups": (("Smiling",), ("Glasses",), ("Hat",))},
    "pairs": {"modulation": {"points": ("fc",), "form": "own"}, "network_groups": (("Hat",), ("Smiling", "Glasses"))},
    "every stage": {"modulation": {"points": ("conv1", "res2", "res3", "res4", "res5", "fc")}},
    "raw": {"loss": {"normalize": False}, "data": {"tasks": TASKS, "image_size": 48, "preprocessing": "released"}},
}

Export = Callable[..., tuple[Path, MultiTaskModel, Any]]


def pictures(count: int = 3, size: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def expected(model: MultiTaskModel, pixels: np.ndarray, preprocessing: Any = "unit") -> dict[str, torch.Tensor]:
    batch = to_network_input(pixels, torch.device("cpu"), channels_last=True, preprocessing=preprocessing)
    with torch.inference_mode():
        return dict(zip(model.tasks, model.embed_tasks(batch), strict=True))


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_embeds_as_trained_whole_task_by_task_and_alone(export: Export, tmp_path: Path, arm: str) -> None:
    folder, trained, packed = export(**ARMS[arm])
    check_bytes(folder, trained, packed, padded=arm in {"weight_mask", "task_routing"})
    truth = expected(trained, pictures(), packed.images.preprocessing)
    loaded = RetrievalModel.load(folder)
    for task, embeddings in loaded.embed_all(pictures()).items():
        torch.testing.assert_close(embeddings, truth[task], rtol=0, atol=1e-6)
        assert torch.equal(loaded.embed(pictures(), task), embeddings)
    for task in TASKS:
        alone = RetrievalModel.load(folder, tasks=[task])
        assert alone.tasks == (task,)
        torch.testing.assert_close(alone.embed(pictures(), task), truth[task], rtol=0, atol=1e-6)
    copy_tasks(folder, tmp_path / "one", ["Hat"])
    copy_tasks(folder, tmp_path / "one", ["Glasses"])
    both = RetrievalModel.load(tmp_path / "one").embed_all(pictures())
    assert set(both) == {"Hat", "Glasses"}
    for task, embeddings in both.items():
        torch.testing.assert_close(embeddings, truth[task], rtol=0, atol=1e-6)


@pytest.mark.parametrize("arm", ["own", "separate", "weight_mask"])
def test_int8_packs_hold_the_forecast_bytes(export: Export, arm: str) -> None:
    check_bytes(*export(**ARMS[arm], precision="int8"), padded=arm == "weight_mask")


def check_bytes(folder: Path, trained: MultiTaskModel, packed: PackedModel, *, padded: bool) -> None:
    """Hold the manifest against the ledger's forecast and the files on disk."""
    written, files = packed.bytes, list((folder / "tensors").iterdir())
    assert written.predicted == network_bytes(trained)[packed.precision]
    assert written.predicted + written.padding == written.tensors
    assert written.tensors - written.repeated + written.headers == written.files
    assert written.files == sum(file.stat().st_size for file in files)
    assert written.headers == sum(8 + int.from_bytes(file.read_bytes()[:8], "little") for file in files)
    assert (written.padding > 0) <= padded


def test_other_precisions_are_those_that_storing_measures(export: Export) -> None:
    from trainables.networks.precision import decode_state, encode_state

    threshold = {"points": ("fc",), "activation": "threshold"}
    for precision in ("fp16", "int8", "1bit"):
        folder, trained, _ = export(precision=precision, folder=precision, modulation=threshold)
        state, two = trained.stored_state(), trained.two_valued()
        trained.load_stored_state(decode_state(encode_state(state, precision, two), state, two))  # type: ignore[arg-type]
        for task, embeddings in RetrievalModel.load(folder).embed_all(pictures()).items():
            torch.testing.assert_close(embeddings, expected(trained, pictures())[task], rtol=0, atol=1e-6)


def test_equal_tensors_of_two_exports_are_one_file_and_removal_leaves_what_others_need(export: Export) -> None:
    folder, *_ = export("faces/one")
    before = set((folder / "tensors").iterdir())
    export("faces/two")
    assert set((folder / "tensors").iterdir()) == before
    assert len(before) == 4  # a backbone and a pack per task
    remove_tasks(folder, ["Hat"], model="faces/one")
    assert set((folder / "tensors").iterdir()) == before
    remove_tasks(folder, TASKS, model="faces/two")
    assert len(list((folder / "tensors").iterdir())) == 3
    assert RetrievalModel.load(folder).tasks == ("Smiling", "Glasses")


def test_images_in_every_form_give_the_same_embeddings(export: Export, tmp_path: Path) -> None:
    folder, trained, _ = export()
    wide = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    path = tmp_path / "wide.png"
    Image.fromarray(wide).save(path)
    truth = expected(trained, decode_image(path.read_bytes(), 48, "crop")[None])["Hat"]
    model = RetrievalModel.load(folder)
    tensor = torch.from_numpy(wide).permute(2, 0, 1)
    forms = (str(path), path, path.read_bytes(), Image.open(path), wide, wide[None], tensor, tensor[None] / 255)
    for image in (*forms, iter([path])):
        assert torch.equal(model.embed(image, "Hat"), truth)
    assert model.embed([], "Hat").shape == (0, model.embedding_size)
    many = model.embed([path] * 3 + list(pictures()), "Hat")
    torch.testing.assert_close(many[:1], truth, rtol=0, atol=1e-6)


def test_the_trunk_runs_once_for_all_tasks(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, *_ = export()
    model = RetrievalModel.load(folder)
    runs: list[int] = []
    model._network.members[0].backbone.stages["conv1"].register_forward_hook(lambda *_: runs.append(1))
    model.embed_all(pictures())
    assert len(runs) == 1


def test_a_pack_and_an_index_need_nothing_that_a_study_is_run_with(export: Export, tmp_path: Path) -> None:
    """Nothing of it can be imported here. (pyarrow looks for pandas by itself, and does without it.)"""
    export()
    for folder in ("absent", "photos"):
        (tmp_path / folder).mkdir()
    for name in ("ray", "mlflow", "optuna", "pandas", "study", "results"):
        (tmp_path / "absent" / f"{name}.py").write_text(f"raise ImportError('{name} is not installed')")
    Image.fromarray(pictures()[0]).save(tmp_path / "photos/1.png")
    code = """if True:
        from trainables.packs import RetrievalModel
        print(len(RetrievalModel.load("packs").embed_all("photos/1.png")))
        from trainables.index import ImageIndex
        index = ImageIndex.create("index", "packs", precision="int8")
        index.add_from("photos")
        index.delete(["photos/1.png"])
        index.add_from("photos")
        index.compact()
        query = "photos/1.png"
        (found,) = ImageIndex.open("index").search(query, {"Hat": 1, "Smiling": -0.5}, where=["source!=x"])
        print(found.rank, index.ranks(query, [found.id], ["Hat"]), index.explain(query, found.id, "Hat")[0].share > 0)
    """
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "absent"), str(REPOSITORY)))},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3", "1 {'Hat': [1]} True"]


def test_a_writer_that_is_killed_leaves_the_folder_as_it_was_or_complete(export: Export, tmp_path: Path) -> None:
    folder, before, _ = export("faces/one")
    known = expected(before, pictures())
    other: dict[str, Any] = {"modulation": {"points": ("res5",)}, "network": {"width": 0.125}}
    other["trained"] = export(folder="other", **other)[1]  # a forked process must not start torch's threads
    for step in range(6):  # killed before its first rename, before its second, and so on
        shutil.copytree(folder, tmp_path / str(step))
        child = os.fork()
        if not child:
            _die_before_rename(step)
            export("faces/one", folder=str(step), **other)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        loaded = RetrievalModel.load(tmp_path / str(step))
        assert os.WIFSIGNALED(status) == (step < 5)  # four files of tensors and the manifest
        if step < 5:
            for task, embeddings in loaded.embed_all(pictures()).items():
                torch.testing.assert_close(embeddings, known[task], rtol=0, atol=1e-6)
    assert loaded.packed.network.width == 0.125
    for step in (3, 4):  # the next writer removes what the killed one left
        export("faces/one", folder=str(step))
        assert _names(tmp_path / str(step)) == _names(folder)


def _names(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


def _die_before_rename(step: int) -> None:
    count, rename = [0], Path.replace

    def replace(self: Path, target: Path) -> Path:
        if count[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] += 1
        return rename(self, target)

    Path.replace = replace  # type: ignore[method-assign,assignment]


def test_a_manifest_holds_no_path_of_the_machine(export: Export, tmp_path: Path) -> None:
    folder, *_ = export()
    assert str(tmp_path) not in (folder / "manifest.json").read_text()
    assert json.loads((folder / "manifest.json").read_text())["version"] == 1
    assert read_manifest(folder).models["faces/late"].classes["Smiling"] == ("no", "yes")
