from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from trainables.sampling.triplet_store import TripletStore
from trainables.sampling.triplets import TripletPool, draw_triplets

LABELS = np.array([2, 0, -1, 0, 5, 2, 0, -1, 5, 7])


def test_drawn_triplets_are_valid_and_uniform():
    triplets = draw_triplets(TripletPool(LABELS, "task", "test"), 50_000, np.random.default_rng(0))
    anchor, positive, negative = LABELS[triplets].T
    assert (anchor >= 0).all()
    assert (anchor == positive).all()
    assert (triplets[:, 0] != triplets[:, 1]).all()
    assert (negative >= 0).all()
    assert (anchor != negative).all()
    # every valid triplet, with the probability the rule gives it
    seen, counts = np.unique(triplets, axis=0, return_counts=True)
    anchors = [i for i, label in enumerate(LABELS) if label >= 0 and (label == LABELS).sum() > 1]
    valid = {
        (a, p, n): 1 / len(anchors) / ((LABELS[a] == LABELS).sum() - 1) / ((LABELS >= 0) & (LABELS[a] != LABELS)).sum()
        for a in anchors
        for p in range(len(LABELS))
        for n in range(len(LABELS))
        if p != a and LABELS[p] == LABELS[a] and LABELS[n] >= 0 and LABELS[n] != LABELS[a]
    }
    assert sum(valid.values()) == pytest.approx(1)
    assert {tuple(row) for row in seen.tolist()} == set(valid)
    expected = [valid[tuple(row)] * len(triplets) for row in seen.tolist()]
    assert chisquare(counts, expected).pvalue > 1e-3


def test_singletons_are_negatives_but_never_anchors():
    pool = TripletPool(LABELS, "task", "test")
    assert pool.anchors.tolist() == [0, 1, 3, 4, 5, 6, 8]
    assert 9 in draw_triplets(pool, 500, np.random.default_rng(0))[:, 2]


def test_largest_uniform_number_stays_in_range():
    pool = TripletPool(LABELS, "task", "test")
    last = np.nextafter(1.0, 0.0)
    triplets = pool.complete(pool.anchors, np.full((2, len(pool.anchors)), last))
    assert (LABELS[triplets[:, 0]] == LABELS[triplets[:, 1]]).all()
    assert (LABELS[triplets[:, 0]] != LABELS[triplets[:, 2]]).all()


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1], [0, 0, -1]])
def test_impossible_tasks_are_named(labels):
    with pytest.raises(ValueError, match="task 'Bald' on split 'validation': triplets need two classes"):
        TripletPool(np.array(labels), "Bald", "validation")


def test_lists_are_frozen_and_each_its_own(tmp_path):
    store = TripletStore(tmp_path, data_seed=3)
    first = store.load_or_draw("test", "Bald", LABELS, 20)
    assert first.shape == (20, 3)
    assert first.dtype == np.int64
    files = sorted(tmp_path.iterdir())
    assert [path.name.startswith("test-Bald-20-") for path in files] == [True]
    stamp = files[0].stat().st_mtime_ns
    np.testing.assert_array_equal(store.load_or_draw("test", "Bald", LABELS, 20), first)
    assert files[0].stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(
        TripletStore(tmp_path / "elsewhere", data_seed=3).load_or_draw("test", "Bald", LABELS, 20), first
    )
    others = [
        store.load_or_draw("validation", "Bald", LABELS, 20),
        store.load_or_draw("test", "Smiling/../x", LABELS, 20),
        store.load_or_draw("test", "Bald", LABELS[::-1].copy(), 20),
        TripletStore(tmp_path, data_seed=4).load_or_draw("test", "Bald", LABELS, 20),
    ]
    assert len(list(tmp_path.glob("*.npz"))) == 5
    assert all((other != first).any() for other in others)


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.long)])
def test_a_damaged_list_is_drawn_again(every, tmp_path, caplog):
    store = TripletStore(tmp_path, data_seed=0)
    first = store.load_or_draw("test", "Bald", LABELS, 20)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    contents = [b"", b"\x93NUMPY\x01", b"nonsense", whole[:-40], b"\0" * len(whole)]
    places = range(0, len(whole), every)
    contents += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    for content in contents:
        path.write_bytes(content)
        np.testing.assert_array_equal(store.load_or_draw("test", "Bald", LABELS, 20), first)
    path.unlink()
    store.load_or_draw("test", "Bald", LABELS, 20)
    assert path.read_bytes() == whole
    assert "drawing it again" in caplog.text
    np.save(tmp_path / "other.npy", np.zeros((3, 3), dtype=np.int64))
    (tmp_path / "other.npy").replace(path)
    np.testing.assert_array_equal(store.load_or_draw("test", "Bald", LABELS, 20), first)
