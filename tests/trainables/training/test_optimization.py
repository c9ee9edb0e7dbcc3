from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import nn

from trainables.config.training import OptimizationConfig
from trainables.training.optimization import (
    LearningRate,
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
    schedule_factor,
)

Schedule = Literal["constant", "cosine", "released", "exponential"]


def factors(schedule: Schedule, epochs: int, steps_per_epoch: int = 1, **settings: Any) -> list[float]:
    config = OptimizationConfig(schedule=schedule, epochs=epochs, **settings)
    return [schedule_factor(config, step, steps_per_epoch) for step in range(epochs * steps_per_epoch)]


def test_released_schedule_is_that_of_the_released_script() -> None:
    """train_mm.py: before epoch e, counted from 0, the rate is cut to a tenth when (e + 1) % 40 == 0."""
    rate, expected = 1.0, []
    for epoch in range(100):
        if (epoch + 1) % 40 == 0:
            rate = 0.1 * rate
        expected += [rate] * 7
    found = factors("released", epochs=100, steps_per_epoch=7)
    assert found == pytest.approx(expected, rel=1e-12)
    assert [found.count(factor) // 7 for factor in (1.0, 0.1, 0.01)] == [39, 40, 21]
    by_epoch = found[::7]
    assert [by_epoch[epoch] for epoch in (38, 39, 78, 79)] == [1.0, 0.1, 0.1, 0.01]


def test_exponential_schedule_is_constant_inside_an_epoch() -> None:
    found = factors("exponential", epochs=200, steps_per_epoch=3, decay_per_epoch=0.985)
    assert found == pytest.approx([(1 - 0.015) ** epoch for epoch in range(200) for _ in range(3)], rel=1e-12)
    assert found[0] == 1.0
    assert factors("exponential", epochs=3, decay_per_epoch=1.0) == [1.0] * 3


def test_cosine_falls_from_one_to_zero() -> None:
    found = factors("cosine", epochs=10, steps_per_epoch=5)
    assert found == pytest.approx([(1 + math.cos(math.pi * step / 50)) / 2 for step in range(50)])
    assert schedule_factor(OptimizationConfig(schedule="cosine", epochs=10), 50, 5) == pytest.approx(0.0)
    assert factors("constant", epochs=4, steps_per_epoch=2) == [1.0] * 8


@pytest.mark.parametrize("schedule", ["cosine", "released", "exponential", "constant"])
def test_a_schedule_ends_at_each_restart_and_begins_again(schedule: Schedule) -> None:
    found = factors(schedule, epochs=10, steps_per_epoch=5, restarts=(1, 4))
    parts = [factors(schedule, epochs=epochs, steps_per_epoch=5) for epochs in (1, 3, 6)]
    assert found == [factor for part in parts for factor in part]
    beyond = OptimizationConfig(schedule="cosine", epochs=10, restarts=(1, 4))
    assert schedule_factor(beyond, 50, 5) == pytest.approx(0.0)


@pytest.mark.parametrize("restarts", [(3, 2), (2, 2), (0, 2), (2, 10)])
def test_restarts_rise_and_lie_within_training(restarts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"restarts must be ascending numbers of epochs from 1 and below epochs 10"):
        OptimizationConfig(epochs=10, restarts=restarts)


@pytest.mark.parametrize("name", ["adagrad", "adam", "adamw", "sgd"])
def test_decay_reaches_weights_alone_and_frozen_parameters_nothing(name: str) -> None:
    weight, bias, frozen = (nn.Parameter(torch.full((2, 2), 3.0)) for _ in range(3))
    frozen.requires_grad_(requires_grad=False)
    config = OptimizationConfig(optimizer=name, learning_rate=0.1, weight_decay=0.5, schedule="constant")
    optimizer = build_optimizer(config, [weight], [bias, frozen])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2
    weight.grad, bias.grad = torch.zeros(2, 2), torch.zeros(2, 2)
    optimizer.step()
    assert (weight < 3).all()
    assert torch.equal(bias, torch.full((2, 2), 3.0))
    assert torch.equal(frozen, torch.full((2, 2), 3.0))


def test_adagrad_steps_as_the_released_one() -> None:
    """TensorFlow 1: accumulator 0.1 + g^2, step lr * g / sqrt(accumulator)."""
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = build_optimizer(OptimizationConfig(optimizer="adagrad", learning_rate=0.01), [weight], [])
    accumulator, expected = 0.1, 1.0
    for gradient in (0.5, -2.0, 0.25):
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        accumulator += gradient**2
        expected -= 0.01 * gradient / accumulator**0.5
    assert weight.item() == pytest.approx(expected, rel=1e-6)


def test_adamw_is_loshchilov_and_hutters_with_the_usual_constants() -> None:
    """Betas 0.9 and 0.999, epsilon 1e-8; the decay is lr * decay * weight and does not pass through the moments."""
    weight, bias = (nn.Parameter(torch.tensor([2.0], dtype=torch.float64)) for _ in range(2))
    config = OptimizationConfig(optimizer="adamw", learning_rate=0.1, weight_decay=0.02)
    optimizer = build_optimizer(config, [weight], [bias])
    for parameter, decay in ((weight, 0.02), (bias, 0.0)):
        expected, first, second = 2.0, 0.0, 0.0
        for step, gradient in enumerate((0.5, -2.0, 0.25), start=1):
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            expected -= 0.1 * decay * expected
            expected -= 0.1 * (first / (1 - 0.9**step)) / (math.sqrt(second / (1 - 0.999**step)) + 1e-8)
            weight.grad = bias.grad = None
            parameter.grad = torch.tensor([gradient], dtype=torch.float64)
            optimizer.step()
        assert parameter.item() == pytest.approx(expected, rel=1e-9)


def _two_parameters() -> list[list[nn.Parameter]]:
    return [[nn.Parameter(torch.ones(1))], [nn.Parameter(torch.ones(1))]]


def test_the_learning_rate_reaches_every_group() -> None:
    optimizer = build_optimizer(OptimizationConfig(optimizer="sgd"), *_two_parameters())
    LearningRate(optimizer).set(0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_a_factor_multiplies_the_rate_of_its_parameters_and_moves_none_of_them() -> None:
    first, own, last, bias = parameters = [nn.Parameter(torch.ones(1)) for _ in range(4)]
    config = OptimizationConfig(optimizer="sgd", learning_rate=0.1, weight_decay=0.5)
    optimizer = build_optimizer(config, [first, own, last], [bias], {own: 3.0, bias: 1.0})
    rate = LearningRate(optimizer)
    rate.set(0.01)
    for parameter in parameters:
        parameter.grad = torch.ones(1)
    optimizer.step()
    moved = [1 - parameter.item() for parameter in parameters]  # by rate * (gradient + decay), and Nesterov's 1.9
    assert moved == pytest.approx([0.01 * 1.5 * 1.9, 0.03 * 1.5 * 1.9, 0.01 * 1.5 * 1.9, 0.01 * 1.9], rel=1e-5)
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert all(placed is given for placed, given in zip(order, parameters, strict=True))
    load_optimizer_state(optimizer, optimizer_state(optimizer))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.03, 0.01, 0.01])


@pytest.mark.parametrize("factor", [1.0, 3.0])
@pytest.mark.parametrize("name", ["adagrad", "adam", "adamw", "sgd"])
def test_a_rate_in_a_tensor_takes_the_same_steps(
    name: Literal["adagrad", "adam", "adamw", "sgd"], factor: float
) -> None:
    """A captured step can only read a tensor; here it is on the CPU, where torch reads it in double precision."""
    found = []
    for on_device in (None, torch.device("cpu")):
        parameters = _two_parameters()
        factors = {parameters[1][0]: factor}
        optimizer = build_optimizer(OptimizationConfig(optimizer=name, weight_decay=0.1), *parameters, factors)
        rate = LearningRate(optimizer, on_device)
        for value in (0.1, 0.037, 1e-3):
            if on_device is None:
                rate.set(value)
            else:
                rate.copy_from(torch.tensor(value, dtype=rate.dtype))
            for (parameter,) in parameters:
                parameter.grad = torch.full_like(parameter, 0.3)
            optimizer.step()
        found.append([parameter.item() for (parameter,) in parameters])
    assert found[0] == found[1]


def test_settings_are_not_loaded_from_a_state() -> None:
    """A checkpoint read onto the CPU must not move a rate there, nor switch off what a graph needs."""
    optimizer, other = (build_optimizer(OptimizationConfig(), *_two_parameters()) for _ in range(2))
    rate = LearningRate(optimizer, torch.device("cpu"))
    rate.set(0.5)
    for group in other.param_groups:
        group["params"][0].grad = torch.ones(1)
        group |= {"lr": 7.0, "fused": None, "capturable": False}
    other.step()
    settings = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    load_optimizer_state(optimizer, optimizer_state(other))
    for group, kept in zip(optimizer.param_groups, settings, strict=True):
        assert group["lr"] is kept["lr"]
        assert group["fused"] is True
        assert optimizer.state[group["params"][0]]["exp_avg"].item() == pytest.approx(0.1)
    assert [type(group["lr"]) for group in optimizer_state(optimizer)["param_groups"]] == [float, float]
