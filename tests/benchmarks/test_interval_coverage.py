"""The tables of docs/statistics.md are those of the command that the page names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.interval_coverage import LAWS, SEEDS, coverage, deviations, needed
from study.definition.model import ConfirmSection

DOCS = Path(__file__).parents[2] / "docs"


def published(name: str) -> list[list[str]]:
    """The cells of a table of the page, without its head."""
    text = (DOCS / "statistics.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\n\n((?:\|.*\n)+)", text)
    assert found, name
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in found[1].splitlines()[2:]]


def test_the_default_number_of_seeds_follows_from_the_page() -> None:
    table = needed(deviations(DOCS / "studies").iloc[-1][["25%", "50%", "75%"]].astype(float))
    two_points = table[table["difference"] == 0.02].iloc[0]
    assert int(two_points.iloc[2]) == len(ConfirmSection().seeds)


def test_laws_have_mean_zero() -> None:
    for draw in LAWS.values():
        values = draw(np.random.default_rng(1), (400_000,))
        assert values.mean() == pytest.approx(0, abs=0.02)


@pytest.mark.slow
def test_the_published_coverage_is_that_of_fewer_repeats() -> None:
    found = coverage(200).pivot_table(index="seeds", columns=["law", "interval"], values="coverage", sort=False)
    assert found.index.tolist() == list(SEEDS)
    expected = np.array([[float(cell) for cell in row[1:]] for row in published("coverage")])
    assert np.abs(found.to_numpy() - expected).max() < 0.15
    assert np.abs(found.to_numpy() - expected).mean() < 0.03
