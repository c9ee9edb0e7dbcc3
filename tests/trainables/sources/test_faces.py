from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr

from trainables.config.data import DataConfig
from trainables.data import prepare_dataset
from trainables.sources.faces.appearance import draw_appearance
from trainables.sources.faces.attributes import FACE_TASKS, draw_attributes
from trainables.sources.faces.generator import draw_face, render_face
from trainables.sources.faces.source import GeneratedFaces

ALL = tuple(FACE_TASKS)


def config(tasks=ALL, *, images=30, size=32):
    source = GeneratedFaces(train_images=images, validation_images=images, test_images=images)
    return DataConfig(source=source, tasks=tasks, image_size=size)


@pytest.fixture(scope="module")
def labels():
    source = GeneratedFaces(train_images=6000)
    return DataConfig(source=source, tasks=ALL).open(data_seed=0).labels("train")


def test_there_are_at_least_eight_tasks_and_every_class_occurs(labels):
    assert len(ALL) >= 8
    for column, task in enumerate(ALL):
        shares = np.bincount(labels[:, column], minlength=len(FACE_TASKS[task])) / len(labels)
        assert shares.min() > 0.08, task
        assert len(shares) == len(FACE_TASKS[task])


def test_related_tasks_are_related_and_the_others_are_not(labels):
    column = {task: labels[:, index] for index, task in enumerate(ALL)}
    grey = column["Hair_Colour"] == FACE_TASKS["Hair_Colour"].index("grey")
    assert pearsonr(column["Smiling"], column["Mouth_Open"]).statistic == pytest.approx(0.47, abs=0.05)
    assert pearsonr(column["Age_Lines"], grey).statistic > 0.4
    assert pearsonr(column["Beard"], column["Thick_Brows"]).statistic > 0.3
    assert pearsonr(column["Beard"], column["Long_Hair"]).statistic < -0.25
    for first, second in (("Glasses", "Hat"), ("Smiling", "Glasses"), ("Hat", "Age_Lines"), ("Beard", "Smiling")):
        assert abs(pearsonr(column[first], column[second]).statistic) < 0.05


def test_label_names_are_looked_up():
    attributes = draw_attributes(np.random.default_rng(3))
    assert FACE_TASKS["Face_Shape"][attributes.label("Face_Shape")] == attributes.face_shape
    assert bool(attributes.label("Mouth_Open")) == attributes.mouth_open


def test_an_index_is_one_face_however_many_are_asked_for(tmp_path):
    few = prepare_dataset(config(images=5), 7, tmp_path).splits["train"]
    many = prepare_dataset(config(images=9), 7, tmp_path).splits["train"]
    assert np.array_equal(few.images, many.images[:5])
    assert np.array_equal(few.labels, many.labels[:5])
    other_seed = prepare_dataset(config(images=5), 8, tmp_path).splits["train"]
    assert not np.array_equal(few.images, other_seed.images)


def test_labels_do_not_depend_on_the_chosen_tasks_or_the_size(tmp_path):
    whole = prepare_dataset(config(), 0, tmp_path).splits["test"]
    part = prepare_dataset(config(("Hat", "Hair_Colour"), size=16), 0, tmp_path).splits["test"]
    assert np.array_equal(part.labels, whole.labels[:, [ALL.index("Hat"), ALL.index("Hair_Colour")]])


def test_no_face_occurs_twice_in_or_between_splits(tmp_path):
    dataset = prepare_dataset(config(images=60), 0, tmp_path)
    pictures = [image.tobytes() for split in dataset.splits.values() for image in split.images]
    assert len(set(pictures)) == 180


def test_an_unknown_task_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"generated faces have no task 'Smilling'; did you mean 'Smiling'\?"):
        prepare_dataset(config(("Smilling",)), 0, tmp_path)


def test_pictures_stay_what_they_were():
    """Change GENERATOR_VERSION when this changes: old trials must not be taken for trials on the new pictures."""
    pixels, attributes = draw_face(np.random.default_rng((0, 0, 1)), 64)
    blocks = pixels.reshape(4, 16, 4, 16, 3).mean(axis=(1, 3, 4))
    assert attributes.label("Hair_Colour") == 2
    known = [[155, 134, 81, 74], [157, 147, 101, 95], [141, 186, 173, 120], [116, 155, 160, 116]]
    assert np.abs(blocks - known).max() < 1.5


def changed_by(task, faces, exaggeration=1.0):
    """Return the share of pixels that another label changes clearly, everything else being equal, noise included."""
    changed = []
    for row in range(faces):
        attributes = draw_attributes(np.random.default_rng(row))
        names = FACE_TASKS[task]
        other = names[(attributes.label(task) + 1) % len(names)]
        flipped = replace(attributes, **{task.lower(): other == "yes" if names == ("no", "yes") else other})
        pictures = []
        for labels in (attributes, flipped):
            rng = np.random.default_rng(1000 + row)
            pictures.append(render_face(labels, draw_appearance(labels, rng, exaggeration), rng, 48).astype(int))
        changed.append(np.mean(np.abs(pictures[0] - pictures[1]).max(axis=2) > 20))
    return np.array(changed)


@pytest.mark.parametrize("task", ALL)
def test_every_label_can_be_seen(task):
    changed = changed_by(task, 60)
    assert np.median(changed) > 0.01
    assert np.mean(changed * 48 * 48 >= 4) > 0.9
    assert np.max(changed) < 0.6


@pytest.mark.parametrize("task", ["Smiling", "Mouth_Open", "Glasses", "Age_Lines", "Face_Shape"])
def test_an_exaggerated_label_shows_more(task):
    assert np.mean(changed_by(task, 20, 1.8)) > 1.2 * np.mean(changed_by(task, 20))


@pytest.mark.parametrize(("setting", "value"), [("exaggeration", 1.8), ("variety", 0.3)])
def test_faces_in_another_style_are_other_data_with_the_same_labels(setting, value, tmp_path):
    plain, styled = config(images=5), config(images=5)
    styled = styled.model_copy(update={"source": styled.source.model_copy(update={setting: value})})
    first, second = (prepare_dataset(each, 0, tmp_path) for each in (plain, styled))
    assert first.fingerprint != second.fingerprint
    assert np.array_equal(first.splits["train"].labels, second.splits["train"].labels)
    assert not np.array_equal(first.splits["train"].images, second.splits["train"].images)
    assert setting not in plain.open(0).identity(), "plain faces keep the fingerprint they had before"


def test_less_variety_leaves_less_that_no_task_is_about():
    labels = draw_attributes(np.random.default_rng(0))

    def spread(variety):
        streams = [np.random.default_rng(row) for row in range(30)]
        looks = [draw_appearance(labels, rng, variety=variety) for rng in streams]
        faces = [render_face(labels, look, rng, 48) for look, rng in zip(looks, streams, strict=True)]
        return [np.std([look.pose.scale for look in looks]), np.std(faces, axis=0).mean()]

    none, little, plain = np.array([spread(variety) for variety in (0.0, 0.25, 1.0)])
    assert none[0] == 0
    assert little[0] == pytest.approx(plain[0] / 4)
    assert none[1] < little[1] < 0.8 * plain[1]


def test_distractors_outweigh_the_labels():
    pictures = [draw_face(np.random.default_rng((0, 0, row)), 48)[0].astype(float) for row in range(200)]
    between_faces = np.mean([np.abs(a - b).mean() for a, b in zip(pictures[::2], pictures[1::2], strict=True)])
    assert between_faces > 30
    assert np.std([picture.mean() for picture in pictures]) > 10
