"""The section ``network``: what it says is what decides, and where files lie does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from trainables.config.data import DataConfig
from trainables.config.identity import trial_id
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig, WeightsConfig, content_hash, with_known_content
from trainables.config.trial import TrialConfig


def _id(network: NetworkConfig, modulated: tuple[str, ...] = ("stem",)) -> str:
    modulation = ModulationConfig(points=modulated)
    return trial_id(TrialConfig(data=DataConfig(tasks=("a",)), network=network, modulation=modulation), "fingerprint")


def _weights(path: Path, content: str | None = None) -> NetworkConfig:
    return NetworkConfig(backbone="csn_resnet18", weights=WeightsConfig(path=path, content=content))


def test_a_trials_id_hangs_on_the_weights_and_not_on_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"one")
    shutil.copy(tmp_path / "a.pth", tmp_path / "b.pth")
    (tmp_path / "c.pth").write_bytes(b"two")
    here, moved, other = (_weights(tmp_path / name) for name in ("a.pth", "b.pth", "c.pth"))
    assert _id(here) == _id(moved)
    assert len({_id(here), _id(other), _id(NetworkConfig(backbone="csn_resnet18"))}) == 3
    known = with_known_content(here)
    assert known.weights is not None
    assert known.weights.content == content_hash(tmp_path / "a.pth")
    (tmp_path / "a.pth").unlink()
    assert _id(known) == _id(moved)
    with pytest.raises(ValueError, match=r"^network\.weights\.path: .*a\.pth cannot be read: No such file"):
        _id(here)


def _imported(**settings: Any) -> NetworkConfig:
    return NetworkConfig.model_validate({"backbone": "mine:make", "points": ("stem",)} | settings)


def test_a_trials_id_hangs_on_what_is_built_and_not_on_where_the_code_lies() -> None:
    assert _id(_imported(folder=Path("/here"))) == _id(_imported(folder=Path("/there"))) == _id(_imported())
    variants = (
        _imported(),
        _imported(arguments={"depth": 50}),
        _imported(arguments={"depth": 18}),
        _imported(points=("stem", "body")),
        _imported(backbone="mine:other"),
    )
    assert len({_id(network) for network in variants}) == len(variants)
    assert len({hash(network) for network in variants}) == len(variants)
    assert hash(_imported(arguments={"depth": 50})) == hash(variants[1])
    assert _id(variants[0], modulated=()) == _id(variants[3], modulated=()), "points where nothing sits build nothing"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"points": ()}, r"network\.points: name modules of 'mine:make'"),
        ({"points": ("a", "a")}, r"network\.points must be distinct, got \['a', 'a'\]"),
        ({"width": 0.5}, r"network\.width and network\.embedding_size are for registered backbones"),
        ({"embedding_size": 8}, r"network\.width and network\.embedding_size are for registered backbones"),
        ({"backbone": "mine"}, r"network\.points is for networks by import path"),
    ],
)
def test_keys_of_the_other_kind_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        _imported(**settings)
