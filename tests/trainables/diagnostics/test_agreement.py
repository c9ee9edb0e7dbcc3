"""The statistics against hand-worked vectors in the plane and a slow loop."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from trainables.diagnostics.agreement import agreement_metrics, conflict_metrics, stage_agreement


def test_two_tasks_in_the_plane() -> None:
    # One layer of two filters with two weights. Filter 0: at right angles; filter 1: 135 degrees apart.
    gradients = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [-3.0, 3.0]]])
    step = torch.tensor([[5.0, 0.0], [0.0, 0.1]])
    found = stage_agreement([gradients], [step])
    assert found.cosine[0, 1].item() == pytest.approx((0.0 - math.sqrt(0.5)) / 2)
    assert found.cosine.diagonal().tolist() == pytest.approx([1.0, 1.0])
    assert (found.conflicts, found.comparisons) == (1, 2)
    assert conflict_metrics("res4", [found, found]) == {"update_agreement/conflict_share/res4": 0.5}
    assert found.update.tolist() == pytest.approx([(1.0 + 0.0) / 2, (0.0 + math.sqrt(0.5)) / 2])
    assert found.positive_share.tolist() == [0.5, 0.5]


def test_a_filter_without_direction_is_left_out() -> None:
    gradients = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]]])
    step = torch.tensor([[1.0, 0.0], [-1.0, -1.0]])
    found = stage_agreement([gradients], [step])
    assert found.cosine[0, 1].item() == pytest.approx(1.0)
    assert (found.conflicts, found.comparisons) == (0, 1)
    assert found.update.tolist() == pytest.approx([1.0, 0.0])
    assert found.positive_share.tolist() == [1.0, 0.5]


def test_nothing_to_say_is_left_out_of_the_metrics() -> None:
    found = stage_agreement([torch.zeros(2, 3, 4)], [torch.zeros(3, 4)])
    assert agreement_metrics("res4", ["a", "b"], found) == {}
    assert conflict_metrics("res4", [found]) == {}
    alone = stage_agreement([torch.ones(1, 3, 4)], [torch.ones(3, 4)])
    metrics = agreement_metrics("res4", ["a"], alone)
    assert metrics == pytest.approx(
        {"update_agreement/update/res4/a": 1.0, "update_agreement/positive_share/res4/a": 1.0}
    )


def test_scale_changes_nothing_however_small() -> None:
    generator = torch.Generator().manual_seed(1)
    gradients, step = torch.randn(3, 8, 5, generator=generator), torch.randn(8, 5, generator=generator)
    plain, tiny = stage_agreement([gradients], [step]), stage_agreement([gradients * 1e-30], [step * 1e-20])
    torch.testing.assert_close(plain.cosine, tiny.cosine)
    torch.testing.assert_close(plain.update, tiny.update)


def _cosine(a: Tensor, b: Tensor) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a.flatten(), b.flatten(), strict=True))
    return dot / math.sqrt(sum(float(x) ** 2 for x in a.flatten()) * sum(float(y) ** 2 for y in b.flatten()))


def test_against_a_slow_loop_over_layers_of_different_size() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 3, 3), (5, 4, 1, 1), (6, 7)]
    gradients = [torch.randn(3, *shape, generator=generator) for shape in shapes]
    steps = [torch.randn(*shape, generator=generator) for shape in shapes]
    found = stage_agreement(gradients, steps)
    metrics = agreement_metrics("fc", ["a", "b", "c"], found) | conflict_metrics("fc", [found])
    filters = [(g[:, k], s[k]) for g, s in zip(gradients, steps, strict=True) for k in range(len(s))]
    expected: dict[str, float] = {}
    conflicts = []
    for i, task in enumerate("abc"):
        cosines = [_cosine(g[i], s) for g, s in filters]
        expected[f"update_agreement/update/fc/{task}"] = sum(cosines) / len(cosines)
        expected[f"update_agreement/positive_share/fc/{task}"] = sum(c > 0 for c in cosines) / len(cosines)
    for i, j in combinations(range(3), 2):
        cosines = [_cosine(g[i], g[j]) for g, _ in filters]
        expected[f"update_agreement/cosine/fc/{'abc'[i]}:{'abc'[j]}"] = sum(cosines) / len(cosines)
        conflicts += [c < 0 for c in cosines]
    expected["update_agreement/conflict_share/fc"] = sum(conflicts) / len(conflicts)
    assert metrics == pytest.approx(expected, rel=1e-5)
