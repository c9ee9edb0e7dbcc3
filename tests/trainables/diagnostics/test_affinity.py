"""Affinity against arithmetic by hand, and its parts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from trainables.diagnostics.affinity import LookAhead, NanMean, affinities, gradient_cosines


def test_two_parameters_by_hand() -> None:
    """L_1 = (a - 3)^2 and L_2 = (a - 1)^2 + (b - 2)^2 at a = b = 0, with rate 0.25.

    Gradients: (-6, 0) and (-2, -4). After a step on 1 the weights are (1.5, 0): L_1 = 2.25 of 9, L_2 = 4.25 of 5. After
    a step on 2 they are (0.5, 1): L_1 = 6.25 of 9, L_2 = 1.25 of 5.
    """
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def losses() -> list[torch.Tensor]:
        return [((a - 3) ** 2).sum(), ((a - 1) ** 2 + (b - 2) ** 2).sum()]

    before = torch.stack(losses())
    gradients = [torch.autograd.grad(loss, [a, b], allow_unused=True, materialize_grads=True) for loss in losses()]
    after = []
    for of_task in gradients:
        with LookAhead([a, b], of_task, 0.25):
            after.append(torch.stack(losses()).detach())
    found = affinities(before.detach(), torch.stack(after), 0.25)
    expected = [[1 - 2.25 / 9, 1 - 4.25 / 5], [1 - 6.25 / 9, 1 - 1.25 / 5]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64) / 0.25)
    cosines = gradient_cosines([torch.stack(of_weight) for of_weight in zip(*gradients, strict=True)])
    assert cosines[0, 1] == pytest.approx(12 / (6 * math.sqrt(20)))
    assert cosines.diagonal().tolist() == pytest.approx([1, 1])


def test_looking_ahead_puts_weights_back_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(1)
    weights = [nn.Parameter(torch.randn(5, 7, generator=generator)), nn.Parameter(torch.randn(7, generator=generator))]
    gradients = [torch.randn(weight.shape, generator=generator) for weight in weights]
    before = [weight.detach().clone() for weight in weights]
    with LookAhead(weights, gradients, 0.1):
        assert not any(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
    with pytest.raises(ZeroDivisionError), LookAhead(weights, gradients, 0.1):
        raise ZeroDivisionError
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))


def test_a_task_without_a_loss_has_no_affinity() -> None:
    found = affinities(torch.tensor([2.0, 0.0]), torch.tensor([[1.0, 0.0], [2.0, 0.0]]), 0.1)
    assert found[0, 0] == 5
    assert found.isnan().tolist() == [[False, True], [True, True]]


def test_a_zero_gradient_has_no_direction() -> None:
    cosines = gradient_cosines([torch.tensor([[1.0, 0.0], [0.0, 0.0], [-2.0, 0.0]])])
    assert cosines[0, 2] == -1
    assert cosines.isnan().sum() == 5


def test_means_are_over_what_is_known() -> None:
    means = NanMean((2,))
    for values in ([1.0, math.nan], [3.0, math.nan]):
        means.add(torch.tensor(values, dtype=torch.float64))
    assert means.mean()[0] == 2
    assert means.mean().isnan().tolist() == [False, True]
    assert means.counts.tolist() == [2, 0]
