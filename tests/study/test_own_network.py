"""A study of a network of the user's: its points are stages of arms, and where its code lies is no part of a trial."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from study.definition.loading import dump_study, load_study
from study.errors import UserError
from study.layout import RunFolder
from study.plan.document import read_plan, write_plan
from study.plan.plan import StudyPlan, compile_plan, plan_trial
from trainables.networks import ledger
from trainables.networks.backbones import build_backbone
from trainables.networks.multi_task import assemble_model

NETWORK = """
from torch import nn


def make(width):
    body = nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 2 * width, 3))
    return nn.ModuleDict({"body": body}) if width == 99 else nn.Sequential(body, nn.Conv2d(2 * width, 5, 3))
"""
STUDY = """
name: own
data: {source: {kind: generated}, tasks: [Smiling, Hat], image_size: 32}
network: {backbone: "network_of_a_study:make", arguments: {width: 4}, points: ["0.0", "0.2"]}
space: {blocks: [{placement: [none, all, ["0.2"]]}]}
"""


def _plan(folder: Path) -> StudyPlan:
    (folder / "network_of_a_study.py").write_text(NETWORK)
    (folder / "study.yaml").write_text(STUDY)
    return compile_plan(load_study(folder / "study.yaml"))


def _ids(plan: StudyPlan) -> list[str]:
    return [
        plan_trial(plan, arm, stage="tune", round_=1, index=0, nuisance={}, train_seed=0).trial_id for arm in plan.arms
    ]


def test_points_of_a_network_are_stages_of_arms(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    assert [arm.arm.points for arm in plan.arms] == [(), ("0.0", "0.2", "embedding"), ("0.2",)]
    assert [arm.storage.added_parameters for arm in plan.arms] == [0, 2 * (4 + 8 + 5), 2 * 8]
    assert plan.arms[0].storage.parameters == (27 * 4 + 4) + (36 * 8 + 8) + (72 * 5 + 5)
    assert {arm.storage.embeddings_per_image for arm in plan.arms} == {1, 2}


def test_arms_that_differ_in_start_values_alone_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building such a network takes most of the time of a plan, and a plan of an exploration may have thousands."""
    built = []
    monkeypatch.setattr(ledger, "assemble_model", lambda config: built.append(config) or assemble_model(config))
    block = 'placement: [none, all, ["0.2"]], initialization: ["normal(1,0.1)", "normal(1,0.2)", "normal(0.9,0.7)"]'
    text = STUDY.replace('placement: [none, all, ["0.2"]]', block).replace("width: 4", "width: 7")
    (tmp_path / "network_of_a_study.py").write_text(NETWORK)
    (tmp_path / "study.yaml").write_text(text)
    plan = compile_plan(load_study(tmp_path / "study.yaml"))
    assert (len(plan.arms), len(built)) == (7, 3)
    assert [arm.storage for arm in plan.arms] == [ledger._counted(arm.config) for arm in plan.arms]


def test_a_plan_reads_back_the_same(tmp_path: Path) -> None:
    plan, folder = _plan(tmp_path), RunFolder(tmp_path / "runs" / "own")
    write_plan(plan, folder)
    folder.definition.write_text(dump_study(plan.definition))
    assert _ids(read_plan(folder)) == _ids(plan) == _ids(compile_plan(load_study(folder.definition)))


def test_start_weights_are_known_to_the_plan_by_their_content(tmp_path: Path) -> None:
    network = _plan(tmp_path).definition.network
    backbone = build_backbone(network, 32)
    backbone.initialize(torch.Generator().manual_seed(0))
    names = {name.removeprefix("network."): tensor for name, tensor in backbone.state_dict().items()}
    torch.save(names, tmp_path / "start.pth")
    study = STUDY.replace("arguments:", "weights: {path: start.pth}, arguments:")
    (tmp_path / "study.yaml").write_text(study)
    plan, folder = compile_plan(load_study(tmp_path / "study.yaml")), RunFolder(tmp_path / "runs" / "own")
    assert not set(_ids(plan)) & set(_ids(_plan(tmp_path)))
    write_plan(plan, folder)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "start.pth", tmp_path / "elsewhere" / "start.pth")
    (tmp_path / "study.yaml").write_text(study.replace("start.pth", "elsewhere/start.pth"))
    moved = compile_plan(load_study(tmp_path / "study.yaml"))
    assert _ids(moved) == _ids(plan) == _ids(read_plan(folder))  # the plan does not need the file
    (tmp_path / "study.yaml").write_text(study)
    with pytest.raises(UserError, match=r"^network\.weights\.path: .*start\.pth cannot be read: No such file"):
        compile_plan(load_study(tmp_path / "study.yaml"))
    (tmp_path / "elsewhere" / "start.pth").write_bytes(b"other bytes")
    changed = build_backbone(moved.definition.network, 32)
    with pytest.raises(ValueError, match=r"does not match the hash network\.weights\.content"):
        changed.initialize(torch.Generator())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("network_of_a_study:make", "network_of_a_stdy:make", "network.backbone: no module 'network_of_a_stdy' in "),
        ('"0.2"]}', '"0.3"]}', "network.points: the network has no module '0.3'; did you mean '0.2'?"),
        ("width: 4", "widht: 4", "network.arguments: network_of_a_study:make: missing a required argument: 'width'"),
        ("width: 4", "width: 99", "network.points: the network has no module '0.0'"),
    ],
)
def test_a_network_that_cannot_be_modulated_is_refused_by_its_key(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    _plan(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        compile_plan(load_study(tmp_path / "study.yaml"))
    assert str(caught.value).startswith(problem)


@pytest.fixture(autouse=True)
def _forget_the_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Every test has its module in a folder of its own."""
    import sys

    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("network_of_a_study", None)
