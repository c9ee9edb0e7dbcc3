from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.foundation.seeds import named_seed
from trainables.sampling.all_tasks import AllTasksBatches
from trainables.sampling.batch import TrainingLabels
from trainables.sampling.batches import build_batches as batches_of

TASKS = ("Smiling", "Bald")


def build_batches(config, labels, listed=None):
    training = TrainingLabels(config.data.tasks, labels, listed or {})
    return batches_of(config.batches, training, config.train_seed, config.optimization.steps_per_epoch)


def make_labels(images=50, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.stack([generator.integers(0, 2, images), generator.integers(-1, 4, images)], axis=1)
    labels[3] = -1
    return labels


def make_config(scheme="all_tasks", images=12, steps=None, seed=5):
    return TrialConfig.model_validate(
        {
            "data": {"tasks": TASKS},
            "batches": {"scheme": scheme, "batch_size": images},
            "optimization": {"steps_per_epoch": steps},
            "train_seed": seed,
        }
    )


def rows_of(batches, epochs=1):
    return [batch.rows.tolist() for _ in range(epochs) for batch in batches.epoch()]


def test_all_tasks_passes_over_the_labelled_images_without_replacement():
    batches = build_batches(make_config(), make_labels())
    assert batches.steps_per_epoch == 4  # 49 labelled images, 12 a step, 1 left over
    for _ in range(3):
        seen = [row for batch in batches.epoch() for row in batch.rows.tolist()]
        assert len(set(seen)) == len(seen) == 48
        assert 3 not in seen
    everything = {row for batch in rows_of(batches, 10) for row in batch}
    assert everything == set(range(50)) - {3}  # what is left over differs from pass to pass


def test_all_tasks_epochs_may_be_shorter_or_longer_than_a_pass():
    long = build_batches(make_config(steps=9), make_labels())
    short = build_batches(make_config(steps=3), make_labels())
    assert rows_of(long, 1) == rows_of(short, 3)
    assert all(len(set(rows)) == 12 for rows in rows_of(long))


def test_triplets_are_valid_and_laid_out_task_after_task():
    labels = make_labels()
    batches = build_batches(make_config("triplets", images=24), labels)
    assert batches.steps_per_epoch == 2
    for batch in (batch for _ in range(20) for batch in batches.epoch()):
        assert batch.task_index.tolist() == [0] * 12 + [1] * 12
        for slot in range(0, 24, 3):
            a, p, n = batch.rows[slot : slot + 3]
            classes = labels[:, batch.task_index[slot]]
            assert a != p
            assert classes[a] == classes[p] >= 0
            assert 0 <= classes[n] != classes[a]


def test_anchors_cycle_and_come_from_every_class():
    labels = make_labels()
    batches = build_batches(make_config("triplets", images=6, steps=49), labels)
    for _ in range(2):
        anchors = [batch.rows[0] for batch in batches.epoch()]
        assert sorted(anchors) == sorted(set(range(50)) - {3})
        assert set(labels[anchors, 0]) == {0, 1}


def test_a_rare_task_wraps_within_a_step():
    labels = np.zeros((40, 2), dtype=np.int64)
    labels[:20, 0] = 1
    labels[:, 1] = -1
    labels[:4, 1] = [0, 0, 1, 2]
    for batch in build_batches(make_config("triplets", images=30), labels).epoch():
        assert set(batch.rows[15::3].tolist()) == {0, 1}


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets", "released"])
def test_numbers_depend_on_the_seed_only(scheme):
    labels = make_labels().clip(max=1)
    first = rows_of(build_batches(make_config(scheme), labels), 3)
    torch.manual_seed(99)
    torch.rand(5)
    np.random.default_rng(1).random(5)
    assert rows_of(build_batches(make_config(scheme), labels), 3) == first
    assert rows_of(build_batches(make_config(scheme, seed=6), labels), 3) != first


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets", "released"])
@pytest.mark.parametrize("steps", [None, 3, 7])
def test_goes_on_exactly_where_it_was_saved(scheme, steps, tmp_path):
    config, labels = make_config(scheme, steps=steps), make_labels().clip(max=1)
    straight = build_batches(config, labels)
    expected = rows_of(straight, 5)
    interrupted = build_batches(config, labels)
    seen = rows_of(interrupted, 2)
    file = io.BytesIO()
    torch.save(interrupted.state_dict(), file)
    file.seek(0)
    resumed = build_batches(config, labels)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert seen + rows_of(resumed, 3) == expected
    assert rows_of(interrupted, 3) == expected[len(seen) :]


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets", "released"])
def test_a_state_of_other_data_is_refused(scheme):
    state = build_batches(make_config(scheme), make_labels().clip(max=1)).state_dict()
    other = build_batches(make_config(scheme), make_labels(images=60).clip(max=1))
    with pytest.raises(ValueError, match="the state belongs to other data"):
        other.load_state_dict(state)


@pytest.mark.parametrize("scheme", ["all_tasks", "triplets", "released"])
def test_a_task_with_a_single_class_is_named(scheme):
    labels = make_labels()
    labels[:, 1] = 1
    with pytest.raises(ValueError, match="task 'Bald' on split 'train': triplets need two classes"):
        build_batches(make_config(scheme), labels)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"batches\.batch_size is 48, but only 10 training images have a label"):
        AllTasksBatches(np.arange(10), 48, seed=0)


def attribute_labels(positives, images=40):
    """Binary labels with so many positives of every task, and one image without any label."""
    labels = np.zeros((images, len(positives)), dtype=np.int64)
    for task, count in enumerate(positives):
        labels[np.random.default_rng(task).choice(np.arange(1, images), count, replace=False), task] = 1
    labels[0] = -1
    return labels


def released_epochs(labels, per_task, seed, epochs):
    """The released sampling restated slowly, triplet by triplet, with the same draws.

    Lists: get_image_paths_and_labels_triplet (facenet.py). Triplets: triplet_random (train_mm.py). Batches: train
    (train_mm.py) and get_triplet_image_batch1 (facenet.py).
    """
    generator = torch.Generator().manual_seed(named_seed(seed, "batches"))
    lists = []
    for column in labels.T:
        shuffled = []
        for wanted in (1, 0):
            rows = [row for row, label in enumerate(column) if label == wanted]
            order = torch.randperm(len(rows), generator=generator).tolist()
            shuffled.append([rows[place] for place in order])
        lists.append(shuffled)
    for _ in range(epochs):
        triplets = []
        for positives, negatives in lists:
            uniform = torch.rand(2, len(positives), dtype=torch.float64, generator=generator).tolist()
            triplets.append([])
            for i in range(len(positives)):
                partner = i + int(uniform[0][i] * (len(positives) - i))  # uniform over i .. end
                negative = int(uniform[1][i] * len(negatives))
                triplets[-1].append((positives[i], positives[partner], negatives[negative]))
        steps = []
        for batch_number in range(math.ceil(len(triplets[0]) / per_task)):
            step = []
            for own in triplets:
                j = batch_number * per_task % len(own)
                batch = own[j : j + per_task] if j + per_task <= len(own) else own[j:] + own[: per_task - len(own) + j]
                step += [row for triplet in batch for row in triplet]
            steps.append(step)
        yield steps


def test_released_sampling_equals_a_slow_restatement():
    labels = attribute_labels([21, 5, 30])  # the second wraps round, the third is cut short
    config = TrialConfig.model_validate(
        {
            "data": {"tasks": ["first", "rare", "frequent"]},
            "batches": {"scheme": "released", "batch_size": 36},
            "train_seed": 5,
        }
    )
    batches = build_batches(config, labels)
    assert batches.steps_per_epoch == 6  # ceil(21 positives / 4 triplets)
    for expected in released_epochs(labels, per_task=4, seed=5, epochs=3):
        assert rows_of(batches) == expected


def test_released_quirks():
    labels = attribute_labels([20, 3])
    batches = build_batches(make_config("released", images=24), labels)
    first, second = ([batch.rows for batch in batches.epoch()] for _ in range(2))
    assert len(first) == 5
    triplets = np.concatenate(first).reshape(5, 2, 4, 3)
    for task in range(2):
        a, p, n = (labels[triplets[:, task, :, role], task] for role in range(3))
        assert (a == 1).all()
        assert (p == 1).all()
        assert (n == 0).all()
    anchors = triplets[:, 0, :, 0].reshape(-1)
    assert sorted(anchors) == np.flatnonzero(labels[:, 0] == 1).tolist()  # each positive once an epoch
    place = {row: position for position, row in enumerate(anchors)}
    partners = [place[row] for row in triplets[:, 0, :, 1].reshape(-1)]
    assert all(partner >= position for position, partner in enumerate(partners))
    assert partners[-1] == 19  # the last anchor is its own positive
    rare = triplets[:, 1].reshape(-1, 3)
    assert np.array_equal(rare, np.resize(rare[:3], rare.shape))  # it wraps round with the same partners
    again = np.concatenate(second).reshape(5, 2, 4, 3)
    assert np.array_equal(again[..., 0], triplets[..., 0])  # the order of anchors stays for the whole training
    assert not np.array_equal(again[..., 2], triplets[..., 2])  # partners are drawn anew
    assert next(iter(batches.epoch())).task_index.tolist() == [0] * 12 + [1] * 12


def test_released_sampling_takes_attributes_only():
    with pytest.raises(ValueError, match=r"task 'Bald' on split 'train': the scheme 'released' requires attributes"):
        build_batches(make_config("released"), make_labels())


@pytest.mark.parametrize("scheme", ["triplets", "released"])
def test_slots_divide_over_tasks(scheme):
    expected = rf"batches\.batch_size must be a multiple of 6 \(3 x tasks\) in the scheme {scheme}, got 10"
    with pytest.raises(ValueError, match=expected):
        make_config(scheme, images=10)
