"""Published triplets are trained on and measured on as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from trainables.config.evaluation import EvaluationConfig
from trainables.config.trial import TrialConfig
from trainables.evaluation.frozen import freeze_split
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches as batches_of
from trainables.sampling.triplet_store import TripletStore

LISTED = np.array([[0, 1, 9], [2, 3, 8], [4, 5, 7], [0, 6, 9], [1, 0, 8]])
LABELS = np.stack([np.repeat([0, 1], 5), np.full(10, -1)], axis=1)


def build_batches(config, labels, listed=None):
    training = TrainingLabels(config.data.tasks, labels, listed or {})
    return batches_of(config.batches, training, config.train_seed, config.optimization.steps_per_epoch)


def config(scheme="triplets"):
    values = {"data": {"tasks": ["a", "b"]}, "batches": {"scheme": scheme, "batch_size": 6}}
    return TrialConfig.model_validate({**values, "optimization": {"steps_per_epoch": 5}})


def listed_part(batches, epochs=1):
    return [tuple(batch.rows[3:].tolist()) for _ in range(epochs) for batch in batches.epoch()]


def test_every_listed_triplet_comes_once_before_any_comes_again():
    batches = build_batches(config(), LABELS, {"b": LISTED})
    for _ in range(3):
        assert sorted(listed_part(batches)) == sorted(map(tuple, LISTED.tolist()))


def test_training_goes_on_where_it_was_saved():
    batches = build_batches(config(), LABELS, {"b": LISTED})
    listed_part(batches, 2)
    resumed = build_batches(config(), LABELS, {"b": LISTED})
    resumed.load_state_dict(batches.state_dict())
    assert listed_part(resumed, 2) == listed_part(batches, 2)


def test_the_scheme_that_needs_labels_says_so():
    with pytest.raises(ValueError, match="task 'b' on split 'train': triplets need two classes"):
        build_batches(config("all_tasks"), LABELS, {"b": LISTED})
    with pytest.raises(ValueError, match="task 'b' on split 'train': the published list of triplets is empty"):
        build_batches(config(), LABELS, {"b": LISTED[:0]})


@dataclass(frozen=True)
class Pictures:
    images: np.ndarray
    labels: np.ndarray
    triplets: dict[str, np.ndarray] = field(default_factory=dict)


def test_neither_number_nor_cap_cuts_a_published_list(tmp_path):
    pictures = Pictures(np.zeros((10, 4, 4, 3), np.uint8), LABELS, {"a": LISTED, "b": LISTED})
    settings = EvaluationConfig(triplets_per_task=2, max_images=4)
    split = freeze_split(pictures, "test", ("a", "b"), settings, TripletStore(tmp_path, 0))
    for found in split.triplets["triplet_accuracy"]:
        assert np.array_equal(split.rows[found], LISTED)
    assert split.ranked.sum() == 4  # the cap holds for queries and gallery
    assert set(np.unique(LISTED)) <= set(split.rows.tolist())
