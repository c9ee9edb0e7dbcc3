"""The start of ``weight_mask``: no bit is lost before its gradient has spoken for a while."""

from __future__ import annotations

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.networks.modulation.masks import FIRST_SCORE, WeightScores
from trainables.networks.modulation.vectors import MASK_THRESHOLD
from trainables.networks.multi_task import MultiTaskModel, build_model
from trainables.training.learner import decayed_and_undecayed
from trainables.training.optimization import build_optimizer

STEPS = 4


def built(learning_rate: float, score_steps: float = STEPS) -> tuple[MultiTaskModel, torch.optim.Optimizer]:
    """A mask over every weight of a small network, and Adam."""
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": ["Smiling", "Hat"], "image_size": 48},
            "network": {"width": 0.0625},
            "modulation": {"points": ["conv1", "fc"], "form": "weight_mask", "score_steps": score_steps},
            "optimization": {"learning_rate": learning_rate},
        }
    )
    model = build_model(config)
    return model, build_optimizer(config.optimization, *decayed_and_undecayed(model))


def bits_off(model: MultiTaskModel) -> float:
    scores = torch.cat([module.scores.flatten() for module in model.modules() if isinstance(module, WeightScores)])
    return 1 - float((scores > MASK_THRESHOLD).float().mean())


@pytest.mark.parametrize("learning_rate", [3e-4, 1e-2, 3e-2])
def test_no_bit_is_lost_before_so_many_steps(learning_rate: float) -> None:
    """Adam's step is about the learning rate whatever the gradient, so all scores that only fall go off together."""
    model, optimizer = built(learning_rate)
    lost = []
    for _ in range(STEPS + 2):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 1e-4)
        optimizer.step()
        lost.append(bits_off(model))
    assert lost[: STEPS - 1] == [0.0] * (STEPS - 1)
    assert lost[-1] == 1.0


def test_the_published_start_is_50_steps_at_the_published_rate() -> None:
    model, _ = built(1e-4, score_steps=50)
    scores = [module.scores for module in model.modules() if isinstance(module, WeightScores)]
    assert scores
    for each in scores:
        torch.testing.assert_close(each, torch.full_like(each, FIRST_SCORE))
