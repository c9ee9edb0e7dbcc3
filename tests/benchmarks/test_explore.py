"""A replayed exploration is told what the table says, and ends where the exhaustive design does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import explore
from study.plan.plan import StudyPlan


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> StudyPlan:
    """A space of six arms within the budget, and one over it."""
    blocks: list[dict[str, Any]] = [
        {"placement": ["none", "embedding", "last_two", "late", ["res3"], ["conv1"], "all"]}
    ]
    monkeypatch.setitem(explore.SETTINGS, "space", explore.SETTINGS["space"] | {"blocks": blocks})
    return explore.plan_of(trials=6, round_size=3)


def test_every_sampler_reaches_what_there_is_once_it_has_seen_all(plan: StudyPlan) -> None:
    every = explore.all_trials(plan)
    table = {trial.trial_id: 0.5 + 0.01 * place for place, trial in enumerate(every)}
    assert len(every) == 6
    for sampler in ("nsga2", "random"):
        found = explore.replayed(plan, table, sampler, seeds=2)
        assert found.shares.shape == (2, 6)
        assert (np.diff(found.shares) >= 0).all()
        assert found.shares[:, -1].tolist() == [1.0, 1.0]
        assert found.reached().max() <= 6
    lines = list(explore.lines({"nsga2": found, "random": found}, [6]))
    assert lines[0] == "nsga2: 6: 1.000 [1.000, 1.000]"
