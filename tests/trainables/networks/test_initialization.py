"""Start values of modulation vectors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.config.modulation import InitializationConfig
from trainables.foundation.random_streams import random_stream
from trainables.networks.modulation.initialization import disjoint_blocks, initialize_vectors


def _start(groups: int = 3, channels: int = 2000, seed: int = 0, **settings) -> torch.Tensor:
    vectors = torch.full((groups, channels), torch.nan)
    initialize_vectors(vectors, InitializationConfig(**settings), random_stream(seed, "test"))
    return vectors


@given(st.integers(1, 300), st.integers(1, 300))
def test_disjoint_blocks_give_every_channel_to_one_group(groups: int, channels: int) -> None:
    if groups > channels:
        with pytest.raises(ValueError, match=f"got {groups} groups for {channels} channels"):
            disjoint_blocks(groups, channels)
        return
    blocks = disjoint_blocks(groups, channels)
    assert [channel for start, end in blocks for channel in range(start, end)] == list(range(channels))
    sizes = [end - start for start, end in blocks]
    assert len(sizes) == groups
    assert max(sizes) - min(sizes) <= 1


def test_disjoint_is_one_in_the_own_block_and_off_elsewhere() -> None:
    vectors = _start(3, 8, kind="disjoint", off=0.1)
    assert (
        vectors.tolist()
        == torch.tensor(
            [
                [1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
                [0.1, 0.1, 1, 1, 1, 0.1, 0.1, 0.1],
                [0.1, 0.1, 0.1, 0.1, 0.1, 1, 1, 1],
            ]
        ).tolist()
    )


def test_fixed_kinds() -> None:
    assert (_start(kind="ones") == 1).all()
    assert (_start(kind="constant", value=0.25) == 0.25).all()


def test_random_kinds_have_their_moments_and_come_from_the_stream() -> None:
    normal = _start(kind="normal", mean=0.9, std=0.7)
    assert float(normal.mean()) == pytest.approx(0.9, abs=0.05)
    assert float(normal.std()) == pytest.approx(0.7, abs=0.05)
    uniform = _start(kind="uniform", low=-1, high=3)
    assert -1 <= float(uniform.min()) < -0.9
    assert 2.9 < float(uniform.max()) <= 3
    assert torch.equal(normal, _start(kind="normal", mean=0.9, std=0.7))
    assert not torch.equal(normal, _start(kind="normal", mean=0.9, std=0.7, seed=1))


def test_streams_are_apart_by_name_and_by_seed() -> None:
    draws = {
        float(torch.rand((), generator=random_stream(*key)))
        for key in [(0, "backbone", "0"), (0, "backbone", "1"), (1, "backbone", "0"), (0, "modulation", "fc", "0")]
    }
    assert len(draws) == 4
