from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from results.figures.affinity import TaskMatrix, affinity_figure, unit_of
from results.figures.canvas import SCREEN, Caption, save_figure

CAPTION = Caption("A title", "A note that says metric, split, rule, seeds and n.")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_numbers_stand_in_the_cells_of_a_small_matrix(tmp_path: Path):
    values = np.array([[9.0, 0.015], [-0.0042, 9.0]])
    figures = [affinity_figure(["a", "b"], [TaskMatrix("affinity", values, "from", "onto")], CAPTION) for _ in range(2)]
    figure = figures[0]
    assert sorted(texts(figure)) == ["-4", "15"]
    assert figure.axes[0].get_title(loc="left") == "affinity (numbers in units of 0.001)"
    image = figure.axes[0].images[0]
    assert (image.norm.vmin, image.norm.vmax) == (-0.015, 0.015)
    assert np.isnan(np.diag(np.asarray(image.get_array().filled(np.nan)))).all()
    for drawn, name in zip(figures, ("one.png", "two.png"), strict=True):
        save_figure(drawn, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_forty_tasks_have_colours_alone():
    values = np.random.default_rng(0).normal(size=(40, 40))
    names = [f"attribute_{number}" for number in range(40)]
    matrices = [TaskMatrix(title, values, "from", "onto") for title in ("affinity", "cosine")]
    figure = affinity_figure(names, matrices, CAPTION)
    assert texts(figure) == []
    assert (figure.get_size_inches() <= SCREEN).all()
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["affinity", "cosine"]


def test_a_matrix_of_zeros_is_drawn():
    figure = affinity_figure(["a", "b"], [TaskMatrix("affinity", np.zeros((2, 2)), "from", "onto")], CAPTION)
    assert texts(figure) == ["0", "0"]


@pytest.mark.parametrize(("largest", "unit"), [(0.99, 0.01), (1.0, 0.1), (0.0123, 0.001), (250.0, 10.0)])
def test_the_unit_leaves_two_digits(largest, unit):
    assert unit_of(np.array([[1e9, largest], [-largest / 3, 1e9]])) == pytest.approx(unit)
