"""The stacked optimizers are torch's, with a learning rate and a decay per member."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn

from trainables.config.training import OptimizationConfig
from trainables.fused.optimizers import numbers_of_step, stacked_optimizer
from trainables.fused.stack import FlatParameters
from trainables.training.optimization import LearningRate, build_optimizer

RATES, DECAYS = (1e-3, 0.3, 0.02), (0.0, 0.1, 0.5)
OF_THE_BIAS = (1.0, 3.0, 0.2)
FACTORS = (1.0, 0.5, 0.25, 0.1)


def drawn(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 3, 2, 2, generator=generator).contiguous(memory_format=torch.channels_last)
    return {"weight": weight, "bias": torch.randn(4, generator=generator)}


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "adagrad"])
def test_every_member_is_updated_as_by_torch(kind: Literal["adam", "adamw", "sgd", "adagrad"]) -> None:
    settings = [
        OptimizationConfig(optimizer=kind, learning_rate=rate, weight_decay=decay)
        for rate, decay in zip(RATES, DECAYS, strict=True)
    ]
    first = drawn(0)
    flat = FlatParameters(len(RATES), {"weight": first["weight"]}, {"bias": first["bias"]})
    alone: list[tuple[dict[str, nn.Parameter], torch.optim.Optimizer]] = []
    for member, config in enumerate(settings):
        own = {name: nn.Parameter(tensor) for name, tensor in drawn(member).items()}
        alone.append((own, build_optimizer(config, [own["weight"]], [own["bias"]], {own["bias"]: OF_THE_BIAS[member]})))
        for name, tensor in own.items():
            flat.leaves[name].data[member].copy_(tensor.data)
    stacked = stacked_optimizer(flat, settings, {"bias": OF_THE_BIAS})

    for step, factor in enumerate(FACTORS, start=1):
        for member, ((own, optimizer), config) in enumerate(zip(alone, settings, strict=True)):
            for name, gradient in drawn(100 * step + member).items():
                own[name].grad = gradient
                grad = flat.leaves[name].grad
                assert grad is not None
                grad[member].copy_(gradient)
            LearningRate(optimizer).set(config.learning_rate * factor)
            optimizer.step()
        stacked.step(torch.tensor(numbers_of_step(factor, step)))

    for member, (own, optimizer) in enumerate(alone):
        for name, parameter in own.items():
            torch.testing.assert_close(flat.leaves[name].data[member], parameter.data, rtol=1e-5, atol=1e-6)
        state: dict[str, Any] = optimizer.state_dict()["state"]
        torch.testing.assert_close(stacked.member_state(member, len(FACTORS)), state, rtol=1e-5, atol=1e-6)


def test_a_members_state_returns_to_its_slot() -> None:
    flat = FlatParameters(2, {"weight": torch.zeros(2, 2)}, {})
    optimizer = stacked_optimizer(flat, [OptimizationConfig(optimizer="sgd")] * 2)
    flat.gradients.copy_(torch.arange(8.0))
    optimizer.step(torch.tensor(numbers_of_step(1.0, 1)))
    kept = optimizer.member_state(1, 1)

    optimizer.load_member_state(0, kept)

    torch.testing.assert_close(optimizer.member_state(0, 1), kept)
