"""Exports of really trained trials, from Python and as a command."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from results.analysis.reported import Results
from study import Study, UserError
from study.cli import app
from study.collect.collect import build_tables
from study.layout import RunFolder, dataset_cache
from study.packs.card import model_card
from study.packs.choice import ExportRequest, chosen_arm
from study.schedule.progress import read_progress
from trainables.data import prepare_dataset
from trainables.data.preprocessing import to_network_input
from trainables.packs import RetrievalModel
from trainables.packs.manifest import read_manifest
from trainables.training.weights import restored_model


@pytest.fixture(scope="module")
def trained(train_study: Callable[..., RunFolder]) -> RunFolder:
    return train_study("taken", search={"trials_per_arm": 1})


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("arm", ["late", "separate"])
def test_an_exported_arm_embeds_the_test_images_as_its_trial(trained: RunFolder, tmp_path: Path, arm: str) -> None:
    exported = Study(trained.path).export(arm=arm, seed=2, out=tmp_path / "out")
    progress = read_progress(trained)
    trial = next(one.trial for one in progress.trials if one.trial.trial_id == exported.packed.provenance.trial_id)
    assert trial.config.train_seed == 2
    network, _ = restored_model(trained.trial(trial.trial_id).weights, trial.trial_id, trial.config)
    images = prepare_dataset(trial.config.data, trial.config.data_seed, dataset_cache()).splits["test"].images[:]
    batch = to_network_input(images, torch.device("cpu"), trial.config.compute.channels_last, "unit")
    with torch.inference_mode():
        expected = network.embed_tasks(batch)
    found = RetrievalModel.load(exported.folder).embed_all(images)
    for place, task in enumerate(network.tasks):
        torch.testing.assert_close(found[task], expected[place], rtol=0, atol=1e-6)
    metrics = exported.packed.metrics
    assert metrics is not None
    summary = Study(trained.path).summary.set_index("arm").loc[arm]
    assert metrics.mean.mean == pytest.approx(summary["triplet_accuracy_mean"])
    assert (metrics.mean.low, metrics.mean.high) == pytest.approx(
        (summary["triplet_accuracy_low"], summary["triplet_accuracy_high"])
    )
    assert metrics.mean.seeds == (1, 2)
    assert exported.packed.classes["Smiling"] == tuple(trial.config.data.open(0).classes()["Smiling"])


def test_the_command_writes_the_cheapest_good_arm_and_says_how_to_use_it(trained: RunFolder, tmp_path: Path) -> None:
    done = modstudy("export", trained.path, "--rule", "cheapest-within:1", "--out", tmp_path / "one")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "taken/shared/seed-1: 2 tasks, 1 backbone; tensors take" in text
    assert "arm: shared (seed 1): cheapest-within:1: the arm with the fewest added parameters" in text
    assert f"RetrievalModel.load('{tmp_path / 'one'}').embed(images, 'Smiling')" in text
    again = modstudy("export", trained.path, "--arm", "late", "--precision", "int8", "--out", tmp_path / "one")
    assert again.exit_code == 0, again.output
    models = read_manifest(tmp_path / "one").models
    assert list(models) == ["taken/shared/seed-1", "taken/late/seed-1/int8"]
    small = models["taken/late/seed-1/int8"]
    measured = json.loads(trained.measured_storage.read_text())["trials"][small.provenance.trial_id]
    assert small.metrics is not None
    assert small.metrics.this_network == measured["formats"]["int8/fp32"]["accuracy"]
    assert small.metrics.change_from_fp32 is not None
    assert small.bytes.predicted == measured["formats"]["int8/fp32"]["network_bytes"] == small.bytes.tensors
    assert small.data.licence is not None


def test_the_layout_of_hugging_face_has_a_card_that_its_own_library_reads(trained: RunFolder, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    out = tmp_path / "hub"
    options = ("--arm", "late", "--layout", "huggingface", "--licence", "cc-by-4.0", "--out", out)
    done = modstudy("export", trained.path, *options)
    assert done.exit_code == 0, done.output
    card = ModelCard.load(out / "README.md")
    packed = read_manifest(out).models["taken/late/seed-1"]
    assert packed.metrics is not None
    assert card.data.license == "cc-by-4.0"
    results = {result.task_name: result for result in card.data.eval_results}
    smiling = results["Image retrieval: Smiling"]
    assert smiling.metric_value == pytest.approx(packed.metrics.tasks["Smiling"].mean, abs=1e-6)
    assert (smiling.metric_type, smiling.dataset_split) == ("triplet_accuracy", "test")
    mean = packed.metrics.mean
    for said in (
        f"mean over tasks {mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]",
        "Mean over train seeds 1, 2,",
        "The arm was chosen so: named by the user.",
        "- Images of the study: none needed: the images are drawn by modulation-study.",
        'model = RetrievalModel.load("packs")',
    ):
        assert said in card.text
    assert "*.safetensors filter=lfs" in (out / ".gitattributes").read_text()
    assert RetrievalModel.load(out).tasks == packed.tasks
    assert modstudy("export", trained.path, *options).exit_code == 0  # its own card is replaced
    (out / "README.md").write_text("mine")
    assert "README.md: not written by modstudy export, so it stays" in " ".join(
        modstudy("export", trained.path, *options).output.split()
    )
    assert (out / "README.md").read_text() == "mine"


@pytest.mark.long  # MLflow takes seconds to import
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_loads_the_exported_network_and_embeds_with_it(trained: RunFolder, tmp_path: Path) -> None:
    import mlflow.pyfunc

    exported = Study(trained.path).export(arm="late", layout="mlflow", out=tmp_path / "packs")
    (place,) = exported.extras
    Study(trained.path).export(arm="late", layout="mlflow", out=tmp_path / "packs")  # written anew
    assert sorted(path.suffix for path in place.rglob("*") if path.is_file() and path.suffix in {".pkl", ".bin"}) == []
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    images = [_png((200, 30, 30)), _png((30, 30, 200))]
    model = RetrievalModel.load(exported.folder)
    (tmp_path / "packs").rename(tmp_path / "away")
    served = mlflow.pyfunc.load_model(str(tmp_path / "away" / place.relative_to(tmp_path / "packs")))
    frame = pd.DataFrame({"image": images})
    for task in model.tasks:
        found = served.predict(frame, params={"task": task})
        torch.testing.assert_close(torch.from_numpy(found), model.embed(images, task), rtol=0, atol=1e-6)
    assert served.metadata.get_input_schema().input_names() == ["image"]
    assert isinstance(served.input_example["image"][0], bytes | str)


def _png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "png")
    return file.getvalue()


def test_names_from_outside_do_nothing_in_a_card(trained: RunFolder, tmp_path: Path) -> None:
    packed = Study(trained.path).export(arm="late", out=tmp_path).packed
    bad = "<script>|`*x*\n---\n# y"
    card = model_card({"n": packed.model_copy(update={"classes": {**packed.classes, "Smiling": (bad,)}})}, "mit")
    assert "<script>" not in card
    assert "One backbone serves all tasks" in card
    separate = model_card({"n": packed.model_copy(update={"networks": packed.networks * 2})}, "mit")
    assert "2 networks share nothing" in separate
    assert "\n# y" not in card


@pytest.mark.parametrize(("points", "arm"), [(0, "late"), (0.5, "shared")])
def test_a_rule_picks_the_arm_on_validation_images(trained: RunFolder, points: float, arm: str) -> None:
    tables = build_tables(trained, read_progress(trained), {})
    accuracy = {("late", "validation"): 0.9, ("shared", "validation"): 0.5, ("separate", "validation"): 0.1}
    of_test = {("late", "test"): 0.1, ("shared", "test"): 0.2, ("separate", "test"): 1.0}
    metrics = tables["task_metrics"]
    values = [(accuracy | of_test).get(key, 0.0) for key in zip(metrics["arm"], metrics["split"], strict=True)]
    results = Results.of({**tables, "task_metrics": metrics.assign(value=values)})
    assert chosen_arm(results, ExportRequest(rule=f"cheapest-within:{points}"))[0] == arm


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"arm": "lat"}, "arm: no arm 'lat' with test results; did you mean 'late'?"),
        ({"arm": "late", "rule": "cheapest-within:0"}, "name an arm or a rule, not both"),
        ({"rule": "best"}, "rule: should be cheapest-within:POINTS with points from 0 to 1"),
        ({"rule": "cheapest-within:-1"}, "got 'cheapest-within:-1'"),
        ({"seed": 9}, "seed: no confirm trial of seed 9 has kept weights; known: 1, 2"),
        ({"precision": "fp8"}, "precision: unknown 'fp8'; known: fp32, fp16, int8, 1bit"),
        ({"layout": "hugging"}, "layout: unknown 'hugging'; known: packs, huggingface, mlflow"),
        ({"precision": "1bit", "arm": "late"}, "precision: no modulation takes two values, so there is no 1bit"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(trained: RunFolder, options: Any, expected: str) -> None:
    with pytest.raises(UserError) as refused:
        Study(trained.path).export(**options)
    assert expected in str(refused.value)
    assert not trained.packs.exists()
