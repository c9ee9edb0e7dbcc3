"""The tables of docs/statistics.md on the rule are those of the command that the page names, with fewer repeats."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdict_power import SPREADS, TESTS, drawn, fewest_seeds
from results.analysis.inference.verdicts import ALPHA, compare_all
from tests.benchmarks.test_interval_coverage import published
from tests.results.analysis.inference.drawn_scores import made


def power_of(test: str, arms: int, seeds: int, step: float, repeats: int = 60) -> float:
    level = step * np.arange(arms)[:, None]
    return float(
        np.mean([(TESTS[test](level + x) < ALPHA).mean() for x in drawn("normal", np.ones(arms), seeds, repeats)])
    )


def test_the_rule_is_that_of_the_verdicts() -> None:
    means = next(drawn("normal", np.ones(6), 4, 1)) + np.arange(6)[:, None]
    assert TESTS["rule"](means) == pytest.approx(compare_all(made(means[..., None]))["p_holm"].to_numpy())


def test_published_power_is_that_of_fewer_repeats() -> None:
    for row in published("verdicts"):
        arms, seeds = int(row[0]), int(row[1])
        if arms <= 12:
            assert power_of("plain", arms, seeds, 2.0) == pytest.approx(float(row[6]), abs=0.12)
            assert power_of("rule", arms, seeds, 2.0) == pytest.approx(float(row[7]), abs=0.12)


def test_published_errors_keep_the_promise() -> None:
    assert max(float(row[3]) for row in published("verdicts")) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    told = [(TESTS["rule"](x) < ALPHA).any() for x in drawn("normal", SPREADS["one x 4"](12), 3, 200)]
    assert np.mean(told) < 0.1


def test_published_seeds_are_about_those_of_fewer_repeats() -> None:
    rows = {int(row[0]): row for row in published("lead")}
    assert int(fewest_seeds(TESTS["rule"], 6, 3.0, 60)) == pytest.approx(int(rows[6][4]), abs=1)
    assert int(fewest_seeds(TESTS["rule"], 12, 1.82, 60)) == pytest.approx(int(rows[12][3]), abs=2)
