"""A package that is none of ours: one module, known by the entry points of its distribution or by registration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

from trainables.losses.balancing import BALANCERS, register_balancer
from trainables.networks.backbones import BACKBONES, register_backbone
from trainables.networks.modulation import FORMS, register_form

MODULE = '''
"""A form, a balancing method and a backbone, written against the public names alone."""

import torch
from torch import nn

from trainables.networks.backbones import Backbone, StageShape
from trainables.losses.balancing import Balancer
from trainables.networks.modulation import Modulation, Scale


class ShiftOnly(Modulation):
    """y = x + b."""

    def __init__(self, site):
        super().__init__()
        self.shifts = nn.Parameter(torch.empty(site.groups, site.channels))

    def initialize(self, generator):
        nn.init.zeros_(self.shifts)

    def forward(self, features, groups):
        rows = self.shifts[groups].to(features.dtype)
        return features + rows[(..., *[None] * (features.ndim - rows.ndim))]


class Gates(Scale):
    """A form made of vectors, which says so by what it derives from."""


class Bottleneck(ShiftOnly):
    """Takes a number, and leaves the shared network as it is where all tasks are one group."""

    default_size = 2
    keeps_first = True


class WorstOnly(Balancer):
    """Trains the task with the largest loss."""

    def backward(self, loss, step):
        losses = loss.triplets.per_task
        weights = torch.zeros_like(losses)
        weights[losses.argmax()] = 1
        loss.plus_penalties((weights * losses).sum()).backward()
        return weights


class Tiny(Backbone):
    def draw_parameters(self, generator):
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.1, generator=generator)


def tiny(network, image_size):
    stages = nn.ModuleDict({
        "stem": nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU()),
        "head": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8)),
    })
    side = (image_size - 3) // 4 + 1
    return Tiny(stages, [StageShape("stem", 4, side, side), StageShape("head", 8, 1, 1)])
'''

ENTRY_POINTS = """
[modstudy.forms]
shift_only = outside_pack:ShiftOnly
gates = outside_pack:Gates
bottleneck = outside_pack:Bottleneck
no_form = outside_pack:tiny

[modstudy.balancers]
worst_only = outside_pack:WorstOnly

[modstudy.backbones]
tiny = outside_pack:tiny
"""


@pytest.fixture
def pack_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with the module, importable in one test; our registries are afterwards what they were."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "outside_pack.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    with patch.dict(FORMS), patch.dict(BALANCERS), patch.dict(BACKBONES):
        yield folder
    sys.modules.pop("outside_pack", None)


@pytest.fixture
def installed(pack_folder: Path) -> None:
    """The pack as an installed distribution: its names are found through entry points."""
    metadata = pack_folder / "outside_pack-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: outside_pack\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")


@pytest.fixture
def registered(pack_folder: Path) -> ModuleType:
    """The pack as a module of the user's, which registers its names when it is run."""
    pack = import_module("outside_pack")
    register_form("shift_only", pack.ShiftOnly)
    register_balancer("worst_only")(pack.WorstOnly)
    register_backbone("tiny", pack.tiny)
    return pack
