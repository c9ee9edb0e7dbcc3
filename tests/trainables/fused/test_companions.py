"""What a member computes does not depend on who is in the other slots, or how they fare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.failures import DivergedError
from trainables.fused.learner import FusedLearner
from trainables.training.runtime import trial_runtime


def trained(configs: list[TrialConfig], cache: Path, slot: int) -> tuple[list[Any], dict[str, Any]]:
    """The results of two epochs by slot, and the state of a slot."""
    with trial_runtime(configs[0].compute) as runtime:
        learner = FusedLearner(configs, prepare_dataset(configs[0].data, 0, cache).splits["train"], runtime)
        results = [result for epoch in (1, 2) for result in learner.run_epoch(epoch)]
        return results, learner.state_of(slot)


def assert_same_bits(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


CASES: list[dict[str, Any]] = [
    {},
    {"modulation": {"form": "batch_norm", "points": ["conv1", "res3", "fc"]}, "network": {"width": 0.125}},
    {"optimization": {"optimizer": "adamw"}, "network": {"backbone": "csn_resnet18"}, "modulation": {"points": []}},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_companions_change_no_bit(
    case: dict[str, Any], config_of: Callable[..., TrialConfig], cache: Path
) -> None:
    mine, others = config_of(1, **case), [config_of(slot, **case) for slot in (0, 2)]

    _, among = trained([others[0], mine, others[1]], cache, 1)
    _, among_itself = trained([mine, mine, mine], cache, 1)

    assert_same_bits(among, among_itself)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_member_that_diverges_touches_no_other(
    case: dict[str, Any], config_of: Callable[..., TrialConfig], cache: Path
) -> None:
    wild = {**case, "optimization": {**case.get("optimization", {}), "learning_rate": 1e38}}
    calm = [config_of(slot, **case) for slot in range(3)]
    _, expected = trained(calm, cache, 2)

    results, state = trained([config_of(0, **wild), *calm[1:]], cache, 2)

    assert isinstance(results[0], DivergedError)
    assert "the loss is not finite in epoch 1, step 2" in str(results[0])
    assert all(isinstance(result, dict) for result in results[1:3])
    assert_same_bits(state, expected)
