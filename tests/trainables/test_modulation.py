"""The scale form by itself."""

from __future__ import annotations

import pytest
import torch

from trainables.config import InitializationConfig, ModulationConfig
from trainables.initialization import random_stream
from trainables.modulation import FORMS, Scale

VALUES = torch.tensor([[1.0, 2.0, -0.5], [0.5, 0.0, 3.0]])


def _scale(activation: str = "relu") -> Scale:
    scale = Scale(2, 3, ModulationConfig(activation=activation))
    with torch.no_grad():
        scale.vectors.copy_(VALUES)
    return scale


@pytest.mark.parametrize("activation", ["relu", "none"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5, 5)])
def test_each_sample_is_scaled_by_its_group(activation: str, shape: tuple[int, ...]) -> None:
    features, groups = torch.randn(shape), [1, 0, 0, 1]
    scaled = _scale(activation)(features, torch.tensor(groups))
    for sample, group in enumerate(groups):
        for channel in range(3):
            factor = float(VALUES[group, channel])
            factor = max(factor, 0) if activation == "relu" else factor
            assert torch.equal(scaled[sample, channel], features[sample, channel] * factor)


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5, 5)])
def test_groups_broadcast(shape: tuple[int, ...]) -> None:
    scale, features = _scale(), torch.randn(shape)
    spread = scale(features.unsqueeze(0), torch.tensor([[0], [1]]))
    assert spread.shape == (2, *shape)
    for group in (0, 1):
        assert torch.equal(spread[group], scale(features, torch.tensor([group])))
        assert torch.equal(spread[group], scale(features, torch.full((4,), group)))


def test_dead_channels_are_those_the_relu_holds_at_zero() -> None:
    assert _scale("relu").dead_channels() == 2
    assert _scale("none").dead_channels() == 0


def test_the_layout_and_the_precision_of_the_features_are_kept() -> None:
    features = torch.randn(4, 3, 5, 5, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    scaled = _scale()(features.unsqueeze(0), torch.tensor([[0], [1]])).flatten(0, 1)
    assert scaled.dtype == torch.bfloat16
    assert scaled.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("trainable", [True, False])
def test_every_form_can_start_as_nothing_and_be_frozen(form: str, trainable: bool) -> None:
    modulation = ModulationConfig(form=form, initialization=InitializationConfig(trainable=trainable))
    made = FORMS[form](2, 3, modulation)
    made.initialize(random_stream(0))
    features = torch.randn(4, 3, 5, 5)
    assert torch.equal(made(features, torch.tensor([0, 1, 1, 0])), features)
    assert {parameter.requires_grad for parameter in made.parameters()} == {trainable}
