"""Gains by task and the map of every arm: what is drawn, within a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from results.figures.canvas import SCREEN, Caption
from results.figures.gains import MOST_ARMS, MOST_ROWS, gain_figure, task_map

CAPTION = Caption("A title", "A note that says metric, split, rule, seeds and n.")


def test_a_panel_of_bars_for_each_of_the_first_arms():
    rows = [(f"arm{a}", f"task{t}", 0.01 * (t - a), -0.1, 0.1) for a in range(MOST_ARMS + 2) for t in range(40)]
    figure = gain_figure(pd.DataFrame(rows, columns=["arm", "task", "mean", "low", "high"]), CAPTION)
    assert (figure.get_size_inches() <= SCREEN).all()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [f"arm{a}" for a in range(MOST_ARMS)]
    assert len({axes.get_xlim() for axes in panels}) == 1
    assert [bar.get_width() for bar in panels[2].patches] == pytest.approx([0.01 * (t - 2) for t in range(40)])


def test_a_map_of_many_arms_has_colours_around_zero_and_no_numbers():
    values = np.random.default_rng(0).normal(0, 0.02, (MOST_ROWS + 2, 40))
    means = pd.DataFrame(values, [f"arm{a}" for a in range(MOST_ROWS + 2)], [f"task{t}" for t in range(40)])
    figure = task_map(means, CAPTION, "minus separate networks", around_zero=True)
    assert (figure.get_size_inches() <= SCREEN).all()
    (image,) = figure.axes[0].images
    assert image.get_array().shape == (MOST_ROWS, 40)
    low, high = image.get_clim()
    assert low == -high == -np.abs(values[:MOST_ROWS]).max()
    assert not figure.axes[0].texts
