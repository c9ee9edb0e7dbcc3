"""Triplets drawn by the rules of the released code and with balanced classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainables.sampling.triplet_kinds import KINDS, draw_balanced, draw_from_positives
from trainables.sampling.triplet_store import TripletStore

BINARY = np.array([1] * 5 + [0] * 90 + [-1] * 5)
MANY = np.array([0] * 80 + [1] * 10 + [2] * 2 + [5] * 1 + [-1] * 7)


def drawn(kind: str, labels: np.ndarray, count: int = 20_000) -> np.ndarray:
    triplets = KINDS[kind](labels, count, np.random.default_rng(0))
    a, p, n = labels[triplets].T
    assert ((a == p) & (a != n) & (n >= 0)).all()
    assert (triplets[:, 0] != triplets[:, 1]).all()
    return triplets


def shares(values: np.ndarray) -> dict[int, float]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), (counts / len(values)).tolist(), strict=True))


def test_positives_have_the_attribute_and_all_of_them_are_used_alike() -> None:
    triplets = drawn("triplet_accuracy_positives", BINARY)
    assert (BINARY[triplets] == [1, 1, 0]).all()
    for column in (0, 1):
        assert shares(triplets[:, column]) == pytest.approx(dict.fromkeys(range(5), 0.2), abs=0.02)
    assert len(np.unique(triplets[:, 2])) == 90


def test_balanced_classes_are_equally_likely_on_both_sides() -> None:
    a, _, n = MANY[drawn("triplet_accuracy_balanced", MANY)].T
    assert shares(a) == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3}, abs=0.02)  # 5 has no second image
    assert shares(n[a == 0]) == pytest.approx({1: 1 / 3, 2: 1 / 3, 5: 1 / 3}, abs=0.02)


@pytest.mark.parametrize("labels", [[0, 1, 0], [1, 1, 1], [0, 1, 1, 2], [-1, -1]])
def test_a_task_without_positives_has_none(labels: list[int]) -> None:
    assert draw_from_positives(np.array(labels), 5, np.random.default_rng(0)).shape == (0, 3)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1]])
def test_a_task_without_triplets_has_no_balanced_ones(labels: list[int]) -> None:
    assert draw_balanced(np.array(labels), 5, np.random.default_rng(0)).shape == (0, 3)


def test_lists_are_kept_apart_and_drawn_once(tmp_path: Path) -> None:
    store = TripletStore(tmp_path, data_seed=3)

    def lists() -> list[np.ndarray]:
        kinds = [store.load_or_draw_kind(kind, "test", "Hat", BINARY, 50) for kind in KINDS]
        return [store.load_or_draw("test", "Hat", BINARY, 50), *kinds]

    first, files = lists(), sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert all((one == other).all() for one, other in zip(first, lists(), strict=True))
    assert sorted(tmp_path.iterdir()) == files
    assert store.load_or_draw_kind("triplet_accuracy_positives", "test", "Age", MANY, 50).shape == (0, 3)
