"""Class-balanced batches: rare classes as likely as frequent ones, with a positive pair of each drawn class."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.config.training import BatchConfig
from trainables.sampling.balanced import BalancedBatches
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches

RARE = np.array([0] * 180 + [1] * 12 + [2] * 6 + [3] + [-1])[:, None]
TWO = np.stack([np.arange(300) % 20 == 0, np.arange(300) % 3], axis=1).astype(np.int64)


def drawn(labels: np.ndarray, images: int = 12, steps: int = 400, seed: int = 0) -> np.ndarray:
    return np.stack([batch.rows for batch in BalancedBatches(labels, images, seed, steps).epoch()])


def test_classes_of_one_task_are_equally_likely_and_come_in_pairs() -> None:
    rows = drawn(RARE, images=6)
    found, counts = np.unique(RARE[rows, 0], return_counts=True)
    assert found.tolist() == [0, 1, 2]  # neither the class of one image nor unlabelled images
    np.testing.assert_allclose(counts / rows.size, 1 / 3, atol=0.03)
    assert all(len(set(step)) == 6 for step in rows.tolist())
    assert all(np.unique(RARE[step, 0], return_counts=True)[1].min() >= 2 for step in rows)
    used = np.bincount(rows.reshape(-1), minlength=200)
    np.testing.assert_allclose(used[192:198], used[192:198].mean(), rtol=0.25)


def test_every_task_has_its_share_of_a_batch() -> None:
    rows = drawn(TWO)
    assert 0.25 < TWO[rows, 0].mean() < 0.35  # half of its own half, 1 in 20 of the other
    assert (TWO[rows, 0].sum(axis=1) > 1).mean() > 0.8


def test_a_batch_may_hold_all_images_and_never_one_twice() -> None:
    assert sorted(drawn(RARE, images=198, steps=1)[0].tolist()) == list(range(198))
    with pytest.raises(ValueError, match=r"batches.batch_size is 199, but only 198 training images share a class"):
        BalancedBatches(RARE, 199, 0)


def test_steps_depend_on_the_seed_and_resume() -> None:
    batches = build_batches(
        BatchConfig(batch_size=12, classes="balanced"), TrainingLabels(("a", "b"), TWO), seed=1, steps_per_epoch=None
    )
    assert isinstance(batches, BalancedBatches)
    assert batches.steps_per_epoch == 25
    state = batches.state_dict()
    first = [batch.rows.tolist() for batch in batches.epoch()]
    assert [batch.rows.tolist() for batch in batches.epoch()] != first
    batches.load_state_dict(state)
    assert [batch.rows.tolist() for batch in batches.epoch()] == first
    assert drawn(TWO, seed=2).tolist() != drawn(TWO, seed=1).tolist()


@pytest.mark.parametrize("settings", [{"negatives": "semi_hard"}, {"classes": "balanced"}])
def test_given_triplets_are_neither_mined_nor_balanced(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs triplets formed within the batch, so scheme all_tasks"):
        BatchConfig.model_validate({"scheme": "triplets", "batch_size": 12, **settings})
