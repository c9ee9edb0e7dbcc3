"""What networks show: vectors in the order of the tree, and retrieved images with their frames."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.collections import LineCollection
from PIL import Image

from results.analysis.figure_data.networks import (
    FoundExamples,
    FoundImage,
    FoundQuery,
    Networks,
    TrialVectors,
    arm_vectors,
)
from results.figures.canvas import SCREEN, Caption
from results.figures.networks.examples import example_figure
from results.figures.networks.modulation import modulation_figure

CAPTION = Caption("A title", "A note that says metric, split, rule, seeds and n.")


def test_tasks_are_in_the_order_of_the_tree_in_every_panel():
    generator = np.random.default_rng(0)
    points = {"res4": generator.normal(1, 0.2, (40, 12)).astype(np.float32), "fc": np.ones((40, 4), np.float32)}
    labels = generator.uniform(0, 1, (40, 40))
    found = arm_vectors(Networks((TrialVectors("a", 2, points), TrialVectors("a", 1, points)), labels), "a")
    assert found.seeds == (1, 2)
    tasks = [f"a name of task {task}" for task in range(40)]
    figure = modulation_figure(tasks, found, labels, CAPTION)
    assert (figure.get_size_inches() <= SCREEN).all()
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    first, second = panels["res4"], panels["fc"]
    similarity, association = panels["similarity of vectors"], panels["association of labels"]
    order = list(found.tree.order)
    assert [tick.get_text() for tick in first.get_yticklabels()] == [tasks[task] for task in order]
    assert np.array_equal(first.images[0].get_array(), points["res4"][order])
    assert first.images[0].get_clim() == second.images[0].get_clim()
    assert similarity.images[0].get_array()[0, 1] == found.similarity[order[0], order[1]]
    assert association.images[0].get_array()[3, 7] == labels[order[3], order[7]]


def test_without_a_tree_the_factors_are_drawn_alone():
    points = {"fc": np.ones((3, 4), np.float32)}
    found = arm_vectors(Networks((TrialVectors("a", 1, points),)), "a")
    assert found.tree is None
    figure = modulation_figure(["x", "y", "z"], found, None, CAPTION)
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["x", "y", "z"]
    assert arm_vectors(Networks((TrialVectors("a", 1, points),)), "b") is None


def test_retrieved_images_are_in_their_places_and_framed_by_whether_they_are_right():
    images = {}
    for number, color in enumerate(["red", "lime", "blue"]):
        file = io.BytesIO()
        Image.new("RGB", (96, 96), color).save(file, "PNG")
        images[number] = file.getvalue()
    arms = {
        "late": (FoundImage(1, right=True), FoundImage(2, right=False)),
        "shared": (FoundImage(2, right=False),) * 2,
    }
    queries = tuple(FoundQuery(f"task {number}", "yes", 0, arms) for number in range(40))
    figure = example_figure(FoundExamples(queries, images, "made up"), CAPTION)
    assert (figure.get_size_inches() <= SCREEN).all()
    (axes,) = figure.axes
    mosaic = np.asarray(axes.images[0].get_array())
    right, wrong = (drawn for drawn in axes.collections if isinstance(drawn, LineCollection))
    assert (len(right.get_segments()), len(wrong.get_segments())) == (40, 120)
    for frames, color in ((right, [0, 255, 0]), (wrong, [0, 0, 255])):
        for frame in frames.get_segments():
            x, y = frame.mean(axis=0).astype(int)
            assert mosaic[y, x].tolist() == color
    assert (mosaic == [255, 0, 0]).all(axis=-1).sum() == 80 * 64 * 64
