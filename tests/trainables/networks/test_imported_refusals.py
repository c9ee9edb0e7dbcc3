"""Networks of the user's that cannot serve as backbones, and what is said of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.config.network import NetworkConfig
from trainables.networks.backbones import build_backbone, stage_shapes

FOLDER = Path(__file__).parent


def _config(name: str, *points: str) -> NetworkConfig:
    return NetworkConfig(backbone=f"sample_networks:{name}", points=points, folder=FOLDER)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"backbone": "sample_networks:resnett"},
            r"network\.backbone: module 'sample_networks' has no 'resnett'; did you",
        ),
        (
            {"backbone": "sample_netwrks:resnet"},
            r"network\.backbone: no module 'sample_netwrks' in .*networks or on Python's",
        ),
        (
            {"backbone": "unimportable:x"},
            r"network\.backbone: module 'unimportable' cannot be imported: No module named",
        ),
        ({"backbone": "sample_networks:a:b"}, r"network\.backbone: an import path must be module:function, got"),
        ({"backbone": "sample_networks:NOT_CALLABLE"}, r"network\.backbone: .* must be callable, got int"),
        ({"backbone": "sample_networks:no_network"}, r"must return a torch\.nn\.Module, got str"),
        ({"arguments": {"dept": 3}}, r"network\.arguments: sample_networks:resnet: got an unexpected keyword argument"),
        ({"points": ("encodr",)}, r"network\.points: the network has no module 'encodr'; did you mean 'encoder'"),
        ({"points": ("encoder",)}, r"network\.points: 'encoder' must output a map .* got no tensor"),
        ({"backbone": "sample_networks:Twice", "points": ("b",)}, r"'b' must run once in a forward pass, but runs 2"),
        ({"backbone": "sample_networks:Chain", "points": ("spare",)}, r"'spare' must run once .* but runs 0 times"),
        (
            {"backbone": "sample_networks:Pairs", "points": ("a",)},
            r"network\.backbone: the network must map .*got tuple",
        ),
        ({"backbone": "sample_networks:Tokens", "points": ("a",)}, r"got a tensor \(2, 4, 1024\)"),
        ({"backbone": "sample_networks:ChangesImages", "points": ("a",)}, r"must not change its images in place"),
        ({"backbone": "sample_networks:PlainTensor", "points": ("a",)}, r"'mean' is a plain tensor; make it a buffer"),
        (
            {"backbone": "sample_networks:Tied", "points": ("a",)},
            r"'head.weight' and 'spare.weight' are the same",
        ),
        ({"backbone": "sample_networks:NoMeta", "points": ("a",)}, r"must be built under torch\.device\('meta'\)"),
    ],
)
def test_what_cannot_be_modulated_is_refused(settings: dict[str, Any], problem: str) -> None:
    base = {"backbone": "sample_networks:resnet", "points": ("embedder",), "folder": FOLDER}
    with pytest.raises(ValueError, match=problem):
        stage_shapes(NetworkConfig.model_validate(base | settings), 32)


def test_images_too_small_for_the_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"network\.backbone: the network cannot embed images of 2 x 2 pixels"):
        stage_shapes(_config("Chain", "a"), 2)


def test_a_function_that_makes_another_network_every_time_is_refused() -> None:
    with pytest.raises(ValueError, match="creates a different network on each call"):
        build_backbone(_config("another_every_time", "0"), 32).initialize(torch.Generator())


def test_a_file_of_the_same_name_elsewhere_is_not_taken_for_it(tmp_path: Path) -> None:
    stage_shapes(_config("Chain", "a", "b", "c"), 32)
    (tmp_path / "sample_networks.py").write_text("")
    with pytest.raises(ValueError, match=r"'sample_networks' is .*networks.sample_networks\.py, not "):
        stage_shapes(_config("Chain", "a", "b", "c").model_copy(update={"folder": tmp_path}), 32)
    sys.path.remove(str(tmp_path))
