"""What a member of a unit takes, where every timed piece of work takes a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trainables.config.trial import TrialConfig
from trainables.fused.timing import seconds_per_epoch_of_member
from trainables.training import timing
from trainables.training.runtime import Runtime
from trainables.training.timing import seconds_per_epoch


def test_a_member_takes_its_share_of_the_units_steps_and_all_of_its_validation(
    config_of: Callable[..., TrialConfig], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []

    def a_second(_: Runtime, work: Callable[[], object]) -> float:
        done.append(work())
        return 1.0

    monkeypatch.setattr(timing, "_seconds", a_second)
    steps, every = {"epochs": 3, "steps_per_epoch": 6}, {"triplets_per_task": 20, "validate_every": 2}
    unit, single = (config_of(0, fused=fused, optimization=steps, evaluation=every) for fused in (3, 1))

    assert seconds_per_epoch(single, cache, steps=2) == 6 + 1 / 2
    assert len(done) == 1 + 2 + 1  # a step to warm up, two that count, a validation
    assert seconds_per_epoch_of_member(unit, cache, steps=2) == 6 / 3 + 1 / 2
