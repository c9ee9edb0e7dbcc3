"""What a plan can know of its trials, the plan refuses: no trial is spent on what would end them all at their start."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from study.cli import app
from study.definition.loading import load_study
from study.plan.plan import compile_plan

NETWORK = """
import torch
from torch import nn

def frozen() -> nn.Module:
    made = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=4))
    return made.requires_grad_(False)

class OnTuesdays(nn.Conv2d):
    def forward(self, images):
        if images.device.type != "meta":
            raise ValueError("only works on Tuesdays")
        return super().forward(images)

def raising() -> nn.Module:
    return nn.Sequential(OnTuesdays(3, 4, 3, stride=4), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=4))
"""


def modstudy(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a module with networks of a user's; a process imports it once."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "preflight_network.py").write_text(NETWORK)
    yield folder
    sys.modules.pop("preflight_network", None)
    sys.path[:] = [path for path in sys.path if path != str(folder)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path / "cache"))


def refused(file: Path, *commands: str, **sections: Any) -> str:
    """Return what all the commands say of a study with these sections, and check that no trial was begun."""
    settings = yaml.safe_load(file.read_text()) | sections
    file.write_text(yaml.safe_dump(settings))
    said = set()
    for command in commands or ("plan", "run"):
        result = modstudy(*command.split(), file)
        assert result.exit_code == 2, result.output
        said.add(" ".join(result.output.split()))
    assert not list((file.parent / "runs").rglob("journal.jsonl"))
    assert len(said) == 1, said
    return said.pop()


def imported(function: str, folder: Path) -> dict[str, Any]:
    return {"backbone": f"preflight_network:{function}", "points": ["0", "2"], "folder": str(folder)}


def test_a_task_too_rare_among_the_evaluated_images_is_refused_and_the_key_named(study_file: Path) -> None:
    said = refused(study_file, evaluation={"triplets_per_task": 20, "max_images": 2})
    assert "evaluation.max_images: 2 of the 12 validation images are too few; raise it: task 'Smiling'" in said


def test_the_largest_batch_that_may_be_drawn_must_find_its_images(study_file: Path) -> None:
    space = {"blocks": [{"placement": ["late"]}], "nuisance": {"batch_size": [12, 99]}}
    said = refused(study_file, space=space)
    assert "space.nuisance.batch_size: batches.batch_size is 99, but only 24 training images have a label" in said


def test_an_arm_with_nothing_to_train_is_refused_and_named(study_file: Path, networks: Path) -> None:
    network = imported("frozen", networks)
    said = refused(study_file, network=network, space={"blocks": [{"placement": ["all", "none"]}]})
    assert "network.backbone: all parameters of 'preflight_network:frozen' are frozen" in said
    assert "(arm 'shared')" in said
    frozen_vectors = {"blocks": [{"placement": ["all"], "initialization": ["disjoint(0)-frozen"]}]}
    assert "there is nothing to train" in refused(study_file, "plan", network=network, space=frozen_vectors)


def test_a_method_without_gradients_to_balance_is_refused(study_file: Path, networks: Path) -> None:
    network, said = imported("frozen", networks), {}
    for method in ("pcgrad", "gradnorm"):
        space = {"blocks": [{"placement": ["all"], "balancing": [method]}]}
        said[method] = refused(study_file, "plan", network=network, space=space)
    assert "balancing: pcgrad balances the gradients of shared parameters, but all parameters of" in said["pcgrad"]
    assert "balancing.method: 'gradnorm'" in said["gradnorm"]
    weighted = {"blocks": [{"placement": ["all"], "balancing": ["equal", "famo"]}]}
    study_file.write_text(yaml.safe_dump(yaml.safe_load(study_file.read_text()) | {"space": weighted}))
    assert modstudy("plan", study_file).exit_code == 0


@pytest.mark.parametrize(
    ("rename", "suffix", "problem"),
    [
        (lambda name: f"module.{name}", "pt", "its names begin with 'module.', which torch.nn.DataParallel adds"),
        (lambda name: f"_orig_mod.{name}", "safetensors", "names begin with '_orig_mod.', which torch.compile adds"),
        (
            lambda name: f"module.student.{name}",
            "pt",
            "its names begin with 'module.student.', which torch.nn.DataParallel",
        ),
        (lambda name: name.replace("0.weight", "0.wieght"), "safetensors", "does not have: '0.wieght', while the file"),
        (
            lambda name: name if name != "0.bias" else None,
            "pt",
            "has no tensor for 'network.0.bias', 4; nearest name",
        ),
    ],
    ids=["data parallel", "compiled", "nested", "misspelled", "missing"],
)
def test_what_a_weights_file_holds_is_looked_at_before_any_trial(  # noqa: PLR0917 - fixtures and a case
    study_file: Path, tmp_path: Path, networks: Path, rename: Any, suffix: str, problem: str
) -> None:
    shapes = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "2.weight": (6, 4, 3, 3), "2.bias": (6,)}
    tensors = {rename(name): torch.zeros(shape) for name, shape in shapes.items() if rename(name) is not None}
    path = tmp_path / f"start.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(tensors, path)
    network = imported("frozen", networks) | {"weights": {"path": str(path)}}
    said = refused(study_file, network=network, space={"blocks": [{"placement": ["all"]}]})
    assert "network.weights.path:" in said
    assert problem in said


def test_a_probe_blames_the_network_for_what_the_network_does(study_file: Path, networks: Path) -> None:
    network, space = imported("raising", networks), {"blocks": [{"placement": ["none"]}]}
    said = refused(study_file, "plan --probe", network=network, space=space)
    assert "network: only works on Tuesdays" in said


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="the device is here")
def test_a_device_that_is_not_here_is_refused_before_any_trial(study_file: Path) -> None:
    said = refused(study_file, "run", "plan --probe", compute={"device": "mps"})
    assert "compute.device: 'mps' is not available on this machine; available:" in said


def test_a_study_that_fits_is_planned_as_before(study_file: Path) -> None:
    planned = json.loads(modstudy("plan", study_file, "--json").output)
    assert planned["trials"] == compile_plan(load_study(study_file)).trials == 15
