"""The replay decides as a study does, on curves that are known to the end."""

from __future__ import annotations

import pytest

from benchmarks.pruning_replay import FullArm, comparison, replay


def arm(name: str, cost: float, *ends: float, gain: float = 0.1) -> FullArm:
    """An arm whose trials gain this much from epoch 1 to epoch 2, their last."""
    return FullArm(name, cost, tuple({1: end - gain, 2: end} for end in ends))


def test_a_beaten_trial_is_stopped_from_the_second_round_on() -> None:
    arms = [
        arm("free", 0, 0.9, 0.8, 0.7, 0.6),
        arm("dear", 9, 0.5, 0.5, 0.5, 0.5),
        arm("best", 99, 0.9, 0.95, 1.0, 0.9),
    ]
    full = replay(arms, [1], 2, 0.5, stop_beaten=False)
    pruned = replay(arms, [1], 2, 0.5, stop_beaten=True)
    assert full.best == pruned.best == (0.9, 0.5, 1.0)
    assert (full.epochs, full.stopped) == (12 + 8, 0)  # of two trials a round one is kept, and both where they tie
    assert (pruned.epochs, pruned.stopped) == (12 + 6, 2)
    found = comparison(arms, [1], 2)
    assert (found["front"], found["front_changed"]) == (2, 0)
    assert found["epochs_saved"] == pytest.approx(2 / 20)


def test_a_late_riser_is_what_the_rule_loses() -> None:
    """It gains more from the rung than any trial that was trained to the end before it."""
    late = FullArm("late riser", 9, ({1: 0.5, 2: 0.55}, {1: 0.5, 2: 0.95}))
    assert comparison([arm("free", 0, 0.9, 0.9), late], [1], 1)["front_changed"] == 1
