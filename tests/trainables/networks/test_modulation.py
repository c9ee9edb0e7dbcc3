"""Forms that act on the output of a stage, by themselves."""

from __future__ import annotations

import math

import pytest
import torch

from trainables.config.modulation import InitializationConfig, ModulationConfig
from trainables.foundation.random_streams import random_stream
from trainables.networks.modulation import ACTIVATIONS, FORMS, Modulation, Scale, Site, build_modulation, register_form
from trainables.networks.modulation.routing import by_group
from trainables.networks.modulation.vectors import ScaleShift

VALUES = torch.tensor([[1.0, 2.0, -0.5], [0.5, 0.0, 3.0]])
ON_OUTPUTS = ["scale", "scale_shift", "low_rank", "projection", "squeeze_excite"]
SHAPES = [(4, 3), (4, 3, 5, 5)]


def _made(form: str = "scale", groups: int = 2, channels: int = 3, **settings: object) -> Modulation:
    modulation = ModulationConfig.model_validate({"form": form, **settings})
    made = build_modulation(Site("res5", groups, channels, modulation, {}))
    made.initialize(random_stream(0))
    return made


def _scale(activation: str = "relu") -> Scale:
    scale = _made(activation=activation)
    assert isinstance(scale, Scale)
    with torch.no_grad():
        scale.vectors.copy_(VALUES)
    return scale


def _shaken(form: str) -> Modulation:
    made = _made(form, size=2 if form == "low_rank" else None)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return made


@pytest.mark.parametrize(
    ("activation", "literal"),
    [
        ("relu", lambda value: max(value, 0.0)),
        ("none", lambda value: value),
        ("sigmoid", lambda value: 1 / (1 + math.exp(-value))),
        ("twice_sigmoid", lambda value: 2 / (1 + math.exp(-value))),
        ("softplus", lambda value: math.log(1 + math.exp(value))),
        ("threshold", lambda value: float(value > 5e-3)),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_sample_is_scaled_by_its_group(activation: str, literal: object, shape: tuple[int, ...]) -> None:
    assert set(ACTIVATIONS) == {"relu", "none", "sigmoid", "twice_sigmoid", "softplus", "threshold"}
    features, groups = torch.randn(shape), [1, 0, 0, 1]
    scaled = _scale(activation)(features, torch.tensor(groups))
    for sample, group in enumerate(groups):
        for channel in range(3):
            factor = literal(float(VALUES[group, channel]))  # type: ignore[operator]
            torch.testing.assert_close(scaled[sample, channel], features[sample, channel] * factor)


def test_the_gradient_of_a_threshold_passes_straight_through() -> None:
    scale = _scale("threshold")
    features = torch.randn(4, 3)
    scale(features, torch.tensor([0, 0, 1, 1])).sum().backward()
    expected = torch.stack([features[:2].sum(0), features[2:].sum(0)])
    assert scale.vectors.grad is not None
    torch.testing.assert_close(scale.vectors.grad, expected)


@pytest.mark.parametrize("form", ON_OUTPUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_groups_broadcast(form: str, shape: tuple[int, ...]) -> None:
    made, features = _shaken(form), torch.randn(shape)
    spread = made(features.unsqueeze(0), torch.tensor([[0], [1]]))
    assert spread.shape == (2, *shape)
    for group in (0, 1):
        torch.testing.assert_close(spread[group], made(features, torch.tensor([group])))
        torch.testing.assert_close(spread[group], made(features, torch.full((len(features),), group)))


@pytest.mark.parametrize("form", ON_OUTPUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [[0, 0, 1, 1], [1, 0, 1, 0]])
def test_forms_equal_a_loop_over_images_and_positions(form: str, shape: tuple[int, ...], groups: list[int]) -> None:
    made, features = _shaken(form), torch.randn(shape)
    changed = made(features, torch.tensor(groups))
    for image, group in enumerate(groups):
        one = features[image].reshape(3, -1)
        columns = [_literal(form, made, one[:, position], group, one.mean(dim=1)) for position in range(one.shape[1])]
        torch.testing.assert_close(changed[image].reshape(3, -1), torch.stack(columns, dim=1))


def _literal(form: str, made: Modulation, x: torch.Tensor, group: int, mean: torch.Tensor) -> torch.Tensor:
    own = {name: parameter.detach()[group] for name, parameter in made.named_parameters()}
    match form:
        case "scale":
            return own["vectors"].clamp_min(0) * x
        case "scale_shift":
            return own["vectors"].clamp_min(0) * x + own["shifts"]
        case "low_rank":
            return x + own["up"] @ (own["down"] @ x)
        case "projection":
            return own["matrices"] @ x
        case _:
            hidden = (own["squeeze"] @ mean + own["squeeze_bias"]).clamp_min(0)
            return x / (1 + (-(own["excite"] @ hidden + own["excite_bias"])).exp())


def test_dead_channels_are_those_the_relu_holds_at_zero() -> None:
    assert _scale("relu").dead_channels() == 2
    assert all(_scale(other).dead_channels() == 0 for other in ACTIVATIONS if other != "relu")


def test_the_layout_and_the_precision_of_the_features_are_kept() -> None:
    features = torch.randn(4, 3, 5, 5, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    scaled = _scale()(features.unsqueeze(0), torch.tensor([[0], [1]])).flatten(0, 1)
    assert scaled.dtype == torch.bfloat16
    assert scaled.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", [form for form in ON_OUTPUTS if form != "squeeze_excite"])
@pytest.mark.parametrize("trainable", [True, False])
def test_forms_start_as_nothing_and_can_be_frozen(form: str, trainable: bool) -> None:
    made = _made(form, initialization=InitializationConfig(trainable=trainable).model_dump())
    features = torch.randn(4, 3, 5, 5)
    torch.testing.assert_close(made(features, torch.tensor([0, 1, 1, 0])), features)
    assert {parameter.requires_grad for parameter in made.parameters()} == {trainable}


def test_a_gate_starts_at_one_half() -> None:
    features = torch.randn(4, 3, 5, 5)
    assert torch.equal(_made("squeeze_excite")(features, torch.tensor([1])), features / 2)


def test_an_unknown_form_or_activation_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"modulation.form: unknown 'scales'; did you mean 'scale'\?"):
        _made("scales")
    with pytest.raises(ValueError, match=r"modulation.activation: unknown 'rely'; did you mean 'relu'\?"):
        _made(activation="rely")
    with pytest.raises(ValueError, match=r"form 'scale' is registered already"):
        register_form("scale", ScaleShift)
    assert FORMS["scale"] is Scale


@pytest.mark.parametrize("groups", [[2, 2, 2], [0, 0, 2], [2, 0, 2], [2, 1, 0]])
def test_rows_go_to_their_group_and_come_back_in_order(groups: list[int]) -> None:
    features = torch.arange(3.0).unsqueeze(1)
    sent = by_group(features, torch.tensor(groups), lambda group, rows: rows * 10 + group)
    assert sent.squeeze(1).tolist() == [10 * row + group for row, group in enumerate(groups)]


def test_a_random_binary_start_switches_an_exact_share_on() -> None:
    made = _made(groups=3, channels=10, initialization={"kind": "binary", "keep": 0.3, "trainable": False})
    vectors = made.get_parameter("vectors")
    assert vectors.sum(dim=1).tolist() == [3.0, 3.0, 3.0]
    assert set(vectors.flatten().tolist()) == {0.0, 1.0}
    assert not torch.equal(vectors[0], vectors[1])
