"""The benchmark of the dispatcher does what it says: every trial of a study ends, and each end is an event."""

from __future__ import annotations

import pytest

from benchmarks.dispatching import KINDS, definition, event_costs
from study.journal.index import read_states
from study.layout import RunFolder


@pytest.mark.parametrize("name", KINDS)
def test_every_end_of_a_unit_is_an_event_until_nothing_is_left(tmp_path, name):
    folder = RunFolder(tmp_path / "run")
    costs = event_costs(definition(KINDS[name], trials=22, arms=2), folder)
    states = [state.history for state in read_states(folder).values()]
    rungs = sum(len(state.rungs) for state in read_states(folder).values())
    assert {history.state for history in states} <= {"completed", "pruned"}
    assert len(states) >= 20
    assert len(costs) == rungs + sum(history.state == "completed" for history in states)
