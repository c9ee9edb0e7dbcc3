"""The cost of a training step, against what torch counts in a real one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import build_model
from trainables.training_cost import relative_cost, step_multiply_adds

TASKS = ("Smiling", "Glasses", "Hat")
SEPARATE = {"network_groups": [[task] for task in TASKS]}
LATE = {"modulation": {"points": ["res4", "res5", "fc"]}}
TRIPLETS = {"batches": {"scheme": "triplets", "batch_size": 18}}


def config_of(**sections: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS, "image_size": 48},
            "network": {"width": 0.0625},
            "batches": {"batch_size": 6},
            **sections,
        }
    )


@pytest.mark.parametrize("sections", [{}, SEPARATE, LATE, TRIPLETS, TRIPLETS | SEPARATE, TRIPLETS | LATE], ids=str)
def test_passes_cost_what_torch_counts(sections: dict[str, Any]) -> None:
    """Backward is twice forward, except that the first layer needs no gradient of its input, the images."""
    config = config_of(**sections)
    model = build_model(config).train()
    images = torch.zeros(config.batches.batch_size, 3, 48, 48)
    with FlopCounterMode(display=False) as counter:
        if config.batches.scheme == "all_tasks":
            embedded = model.embed_tasks(images)
        else:
            embedded = model.embed_mixed(images, torch.arange(3).repeat_interleave(6))
        forward = counter.get_total_flops() // 2
        embedded.sum().backward()
        both = counter.get_total_flops() // 2
    counted = step_multiply_adds(config)
    assert counted == 3 * forward
    assert 0.8 * counted < both <= counted


@pytest.mark.parametrize(
    ("sections", "cost"),
    [
        ({}, 1.0),
        (SEPARATE, 3.0),
        (TRIPLETS | SEPARATE, 1.0),  # every slot passes through one network
        (TRIPLETS | LATE, 1.0),
        ({"balancing": {"method": "gradnorm"}}, 1.0),
        ({"balancing": {"method": "famo"}}, 4 / 3),
        ({"balancing": {"method": "pcgrad"}}, 7 / 3),
    ],
    ids=str,
)
def test_cost_relative_to_a_shared_network(sections: dict[str, Any], cost: float) -> None:
    assert relative_cost(config_of(**sections)) == pytest.approx(cost)
