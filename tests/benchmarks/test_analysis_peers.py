"""The analyses of a report give the numbers of Optuna, SciPy and plain Python; the benchmark checks before it times."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from benchmarks.analysis_peers import Comparison, bootstraps, fronts, importances


@pytest.mark.parametrize(
    ("compared", "peers"), [pytest.param(importances, 1, marks=pytest.mark.long), (fronts, 3), (bootstraps, 3)]
)
def test_both_sides_give_the_same_numbers(compared: Callable[[], Iterator[Comparison]], peers: int) -> None:
    assert len(list(compared())) == peers  # a difference raises before the first is given
