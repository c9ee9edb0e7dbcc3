"""Ranked arms, curves, tasks and heat maps: what is drawn, on one scale, within a screen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from results.analysis.figure_data.factor_grid import FactorGrid
from results.figures.arms import MOST_ARMS, CurveAxis, curve_figure, ranked_figure
from results.figures.canvas import CHANCE_COLOR, SCREEN, Caption
from results.figures.heat_map import factor_figure
from results.figures.tasks import task_figure

CAPTION = Caption("A title", "A note that says metric, split, rule, seeds. " * 3)


def task_values(arms: int, tasks: int) -> pd.DataFrame:
    rows = [
        (f"arm{a}", f"task{t}", 0.6 + 0.01 * a + 0.005 * t, 0.6, 0.8, 0.4 + 0.01 * t)
        for a in range(arms)
        for t in range(tasks)
    ]
    return pd.DataFrame(rows, columns=["arm", "task", "mean", "low", "high", "chance"])


@pytest.mark.parametrize(("arms", "tasks"), [(6, 8), (6, 20), (32, 7)])
def test_panels_of_tasks_share_one_scale_show_chance_and_fit_a_screen(arms, tasks):
    figure = task_figure(task_values(arms, tasks), CAPTION, "triplet accuracy")
    assert (figure.get_size_inches() <= SCREEN).all()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == tasks
    assert len({axes.get_xlim() for axes in panels}) == 1
    for number, axes in enumerate(panels):
        chance = [line.get_xdata()[0] for line in axes.lines if line.get_color() == CHANCE_COLOR]
        assert chance == [pytest.approx(0.4 + 0.01 * number)]


def test_too_many_panels_become_a_heat_map_that_fits_a_screen():
    figure = task_figure(task_values(30, 20), CAPTION, "triplet accuracy")
    assert (figure.get_size_inches() <= SCREEN).all()
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (30, 20)
    assert image[3, 5] == pytest.approx(0.6 + 0.03 + 0.025)


def test_arms_are_ranked_and_those_tied_with_the_best_filled():
    count = MOST_ARMS + 3
    ranked = pd.DataFrame(
        {"arm": [f"arm{i}" for i in range(count)], "mean": np.linspace(0.8, 0.6, count), "low": 0.5, "high": 0.9}
    )
    figure = ranked_figure(ranked, frozenset({"arm0", "arm2"}), 0.5, CAPTION)
    assert (figure.get_size_inches() <= SCREEN).all()
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [f"arm{i}" for i in range(MOST_ARMS)]
    filled = [line.get_markerfacecolor() != "white" for line in axes.lines if line.get_marker() == "o"]
    assert [place for place, full in enumerate(filled) if full] == [0, 2]


def test_every_arm_has_its_curve_with_the_spread_of_its_seeds():
    rows = [(f"arm{a}", e, 0.5 + 0.1 * a + 0.01 * e, 0.4, 0.9, 3) for a in range(3) for e in (1, 2, 3)]
    curves = pd.DataFrame(rows, columns=["arm", "epoch", "mean", "lowest", "highest", "n"])
    figure = curve_figure(curves, CurveAxis("accuracy", 0.5), CAPTION)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["arm0", "arm1", "arm2"]
    others, spread = figure.axes[1].collections
    assert len(others.get_segments()) == 2
    heights = spread.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.4, 0.9)
    assert len(figure.axes[1].lines) == 2  # its own, and chance
    ((low, high),) = {axes.get_ylim() for axes in figure.axes}
    assert low < 0.4
    assert high > 0.9
    ((first, last),) = {axes.get_xlim() for axes in figure.axes}
    assert first < 1
    assert last > 3


def test_grids_share_one_colour_scale():
    first = FactorGrid("per_task", ("late", "all"), ("ones",), np.array([[0.7], [np.nan]]), ((("late",),), ((),)))
    second = FactorGrid("pairs", ("late", "all"), ("ones",), np.array([[0.8], [0.9]]), ((("a",),), (("b",),)))
    figure = factor_figure([first, second], CAPTION, "accuracy")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert [image.get_clim() for image in images] == [(0.7, 0.9)] * 2
    assert [text.get_text() for axes in figure.axes[:2] for text in axes.texts] == ["0.700", "0.800", "0.900"]


def small_figures():
    caption = Caption("Test triplet accuracy by placement, initialization and grouping", CAPTION.note)
    axis = CurveAxis("triplet accuracy on validation images", 0.5)
    curve = {"epoch": [1, 2], "mean": [0.5, 0.6], "lowest": [0.5, 0.6], "highest": [0.5, 0.6]}
    curves = pd.concat([pd.DataFrame({"arm": arm, **curve}) for arm in ("shared", "late")])
    grid = FactorGrid(
        "per_task", ("embedding", "late"), ("normal(0.9,0.7)", "ones"), np.array([[0.8, 0.7]] * 2), ((("a",),) * 2,) * 2
    )
    yield factor_figure([grid], caption, "triplet accuracy on test images")
    yield curve_figure(curves, axis, caption)


@pytest.mark.parametrize("figure", list(small_figures()), ids=["factors", "curves"])
def test_every_text_of_a_small_figure_is_in_it_and_below_its_head(figure):
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    title, note, *below = [text.get_window_extent() for text in figure.texts]
    below += [axes.get_tightbbox() for axes in figure.axes]
    for box in (title, note, *below):
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= width + 1
    assert max(box.y1 for box in below) <= note.y0 + 1
    assert note.y1 <= title.y0 + 1
    assert title.y1 <= height
