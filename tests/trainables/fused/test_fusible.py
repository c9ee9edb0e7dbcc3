"""The plan can say in plain words why trials are not trained as one model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trainables.config.registries import FORMS
from trainables.config.trial import TrialConfig
from trainables.fused.fusible import why_not_fused, why_not_tuned_fused

CASES: list[tuple[dict[str, Any], str]] = [
    ({"balancing": {"method": "pcgrad"}}, "differentiates the loss of each task by itself"),
    ({"balancing": {"method": "gradnorm"}}, "differentiates the loss of each task by itself"),
    ({"balancing": {"method": "of-a-friend"}}, "balancing method 'of-a-friend', of another package"),
    ({"modulation": {"form": "gate", "points": ["fc"]}}, "form 'gate', of another package"),
    ({"network": {"backbone": "mine:build", "points": ["a"], "width": 1.0}}, "imported network 'mine:build'"),
    ({"network": {"backbone": "big_net"}}, "backbone 'big_net', of another package"),
]


@pytest.mark.parametrize(("sections", "words"), CASES, ids=str)
def test_the_reason_is_told(sections: dict[str, Any], words: str, config_of: Callable[..., TrialConfig]) -> None:
    reason = why_not_fused(config_of(0, **sections))

    assert reason is not None
    assert words in reason


@pytest.mark.parametrize("form", sorted(FORMS.built_in))
def test_all_forms_of_the_package_are_fused(form: str, config_of: Callable[..., TrialConfig]) -> None:
    assert why_not_fused(config_of(0, modulation={"form": form, "points": ["fc"]})) is None


def test_a_tuned_batch_size_is_not_fused() -> None:
    assert why_not_tuned_fused(["optimization.learning_rate", "loss.margin"]) is None
    reason = why_not_tuned_fused(["optimization.learning_rate", "batches.batch_size"])
    assert reason == "its trials differ in batches.batch_size, which changes shapes"
