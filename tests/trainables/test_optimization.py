from __future__ import annotations

import pytest
import torch
from torch import nn

from trainables.config import OptimizationConfig
from trainables.optimization import build_optimizer, schedule_factor, set_learning_rate


def test_released_schedule_is_39_40_21_of_100_epochs() -> None:
    factors = [schedule_factor("released", step, total_steps=100) for step in range(100)]
    assert [factors.count(factor) for factor in (1.0, 0.1, 0.01)] == [39, 40, 21]
    assert factors == sorted(factors, reverse=True)


def test_cosine_falls_from_one_to_zero() -> None:
    factors = [schedule_factor("cosine", step, total_steps=50) for step in range(51)]
    assert factors[0] == 1.0
    assert factors[25] == pytest.approx(0.5)
    assert factors[50] == pytest.approx(0.0)
    assert factors == sorted(factors, reverse=True)
    assert schedule_factor("constant", 49, total_steps=50) == 1.0


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


def test_set_learning_rate_reaches_every_group() -> None:
    weight, bias = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = build_optimizer(OptimizationConfig(optimizer="sgd"), [weight], [bias])
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
