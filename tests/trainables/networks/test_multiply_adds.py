"""Multiply-adds of layers other than Conv2d and Linear, against counts by hand; this file holds the network, too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from trainables.config.data import DataConfig
from trainables.config.modulation import ModulationConfig
from trainables.config.network import NetworkConfig
from trainables.config.trial import TrialConfig
from trainables.networks.ledger import storage_ledger

SIZE, WIDTH, HEADS = 8, 6, 2
TOKENS = (SIZE // 2) ** 2
SPREAD = 4 * TOKENS  # positions after the transposed convolution
COUNTS = {
    "patches": TOKENS * WIDTH * 3 * 2 * 2,
    "attention": TOKENS * 4 * WIDTH * WIDTH + 2 * TOKENS * TOKENS * WIDTH,
    "kernel": 2 * TOKENS * TOKENS * WIDTH,
    "products": 2 * TOKENS * TOKENS * WIDTH + TOKENS * WIDTH,
    "line": TOKENS * WIDTH * (WIDTH // 2) * 3,
    "volume": TOKENS * WIDTH * WIDTH * 3**3,
    "spread": TOKENS * WIDTH * WIDTH * 2 * 2,
    "head": SPREAD * WIDTH * 5,
}


class Attention(nn.Module):
    """Self-attention of torch over the positions of a map."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, features: Tensor) -> Tensor:
        tokens = features.flatten(2).mT
        return self.attend(tokens, tokens, tokens, need_weights=False)[0].mT.reshape(features.shape)


class Kernel(nn.Module):
    """Attention without weights, by the function."""

    def forward(self, features: Tensor) -> Tensor:
        heads = features.flatten(2).unflatten(1, (HEADS, -1)).mT
        return F.scaled_dot_product_attention(heads, heads, heads).mT.reshape(features.shape)


class Products(nn.Module):
    """Two products of batches of matrices, and one of a matrix and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.ones(WIDTH))

    def forward(self, features: Tensor) -> Tensor:
        tokens = features.flatten(2)
        mixed = torch.bmm(tokens, torch.bmm(tokens.mT, tokens)) * (tokens.mT @ self.vector).unsqueeze(1)
        return mixed.reshape(features.shape)


class Line(nn.Module):
    """A grouped convolution along the positions."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=2)

    def forward(self, features: Tensor) -> Tensor:
        return self.convolve(features.flatten(2)).reshape(features.shape)


class Volume(nn.Module):
    """A convolution over a third axis of one position."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Conv3d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return self.convolve(features.unsqueeze(2)).squeeze(2)


def network() -> nn.Module:
    head = nn.Sequential(nn.Flatten(), nn.Linear(SPREAD * WIDTH, 5))
    spread = nn.ConvTranspose2d(WIDTH, WIDTH, 2, stride=2)
    stages = (nn.Conv2d(3, WIDTH, 2, stride=2), Attention(), Kernel(), Products(), Line(), Volume(), spread, head)
    made = nn.Sequential()
    for name, stage in zip(COUNTS, stages, strict=True):
        made.add_module(name, stage)
    return made


def trial(points: tuple[str, ...], image_size: int = SIZE) -> TrialConfig:
    place = Path(__file__)
    config = NetworkConfig(backbone=f"{place.stem}:network", points=tuple(COUNTS)[:-1], folder=place.parent)
    tasks = ("a", "b")
    modulation = ModulationConfig(points=points, groups=(("a",), ("b",)))
    return TrialConfig(data=DataConfig(tasks=tasks, image_size=image_size), network=config, modulation=modulation)


def test_every_convolution_and_product_of_matrices_is_counted() -> None:
    rows = storage_ledger(trial(())).rows("study", "id", "arm")
    found = {row["component"]: row["multiply_adds_per_image"] for row in rows}
    expected = {**COUNTS, "embedding": COUNTS["head"]}
    del expected["head"]
    assert found == {**expected, "total": sum(COUNTS.values())}


@pytest.mark.parametrize("point", ["kernel", "volume"])
def test_what_follows_a_modulated_point_counts_once_a_task(point: str) -> None:
    bare, modulated = storage_ledger(trial(())), storage_ledger(trial((point,)))
    names = list(COUNTS)
    again = sum(COUNTS[name] for name in names[names.index(point) + 1 :])
    assert modulated.multiply_adds_per_image == bare.multiply_adds_per_image + again
