import itertools

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Annotation, Text

from results.analysis.tradeoff import pareto_front
from results.figures.axis import BrokenLogAxis, short_count
from results.figures.canvas import Caption, save_figure
from results.figures.tasks import task_figure
from results.figures.tradeoff import LARGEST_KEY, tradeoff_figure

CAPTION = Caption("Test triplet accuracy against added parameters", "A note that says metric, split, rule, seeds. " * 3)


def points(rows):
    frame = pd.DataFrame(rows, columns=["arm", "added_parameters", "mean", "low", "high"])
    frame["on_front"] = pareto_front(frame["mean"].to_numpy(), frame["added_parameters"].to_numpy(dtype=float))
    return frame.sort_values(["added_parameters", "mean"], ascending=[True, False], ignore_index=True)


SEVEN = points(
    [
        ("separate", 17_721_984, 0.874, 0.870, 0.881),
        ("shared", 0, 0.733, 0.720, 0.744),
        ("embedding+disjoint(0)-frozen", 896, 0.777, 0.774, 0.780),
        ("embedding+normal(0.9,0.7)", 896, 0.801, 0.791, 0.807),
        ("late", 6_272, 0.840, 0.832, 0.847),
        ("all", 9_408, 0.849, 0.846, 0.855),
        ("late+network_per_task", 17_728_256, 0.870, 0.865, 0.874),
    ]
)
CLUSTER = points([(f"embedding+normal(1,0.{i})", 896, 0.8 + 0.002 * i, 0.79, 0.82) for i in range(9)])
NOTHING_ADDED = points([("shared", 0, 0.7, np.nan, np.nan), ("shared+twice", 0, 0.7, np.nan, np.nan)])
MANY_AT_ZERO = points(
    [(f"shared+method{i}", 0, 0.7 + 0.002 * i, 0.69, 0.72) for i in range(8)] + [("late", 2_000, 0.8, 0.79, 0.81)]
)
NO_ZERO = points([("late", 2_000, 0.8, 0.79, 0.81), ("all", 3_000, 0.81, 0.8, 0.82)])


def labels_of(figure):
    axes = figure.axes[0]
    return [child for child in axes.get_children() if isinstance(child, Annotation)], axes


@pytest.mark.parametrize("frame", [SEVEN, CLUSTER, NOTHING_ADDED, NO_ZERO, MANY_AT_ZERO])
def test_labels_cover_neither_each_other_nor_the_edge(frame):
    figure = tradeoff_figure(frame, CAPTION, "triplet accuracy")
    figure.draw_without_rendering()
    labels, axes = labels_of(figure)
    assert {label.get_text() for label in labels} == set(frame["arm"])
    extents = [Text.get_window_extent(label) for label in labels]  # of the text, without the line to its point
    for one, other in itertools.combinations(extents, 2):
        assert not one.overlaps(other)
    for extent in extents:
        assert axes.bbox.x0 <= extent.x0
        assert extent.x1 <= axes.bbox.x1
    legend = axes.get_legend().get_window_extent()
    assert not any(legend.overlaps(extent) for extent in extents)


def test_of_more_arms_than_a_key_can_name_the_front_and_the_most_accurate_are_numbered():
    front = [(f"front{i}", 10**i, 0.5 + 0.01 * i, 0.4, 0.9) for i in range(1, 6)]
    others = [(f"other{i}", 200_000 + i, 0.5495 - 0.001 * i, 0.4, 0.9) for i in range(60)]
    figure = tradeoff_figure(points(front + others), CAPTION, "triplet accuracy")
    key = [text.get_text().split() for text in figure.texts[2:]]
    assert key[-1] == ["and", "25", "more", "arms"]
    listed = {name: int(number) for number, name in key[:-1]}
    assert set(listed) == {f"front{i}" for i in range(1, 6)} | {f"other{i}" for i in range(LARGEST_KEY - 5)}
    means = {arm: mean for arm, _, mean, _, _ in front + others}
    assert listed == {arm: 1 + sum(mean > means[arm] for mean in means.values()) for arm in listed}
    assert list(listed.values()) == sorted(listed.values())
    labels, axes = labels_of(figure)
    assert {label.get_text() for label in labels} == {str(number) for number in listed.values()}
    drawn = [line for line in axes.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in drawn) == 65  # an arm without a number has its point


def test_the_front_is_a_step_line_through_its_arms():
    axes = tradeoff_figure(SEVEN, CAPTION, "triplet accuracy").axes[0]
    line = max(axes.lines, key=lambda drawn: len(drawn.get_xdata()))
    heights = list(dict.fromkeys(line.get_ydata()))
    assert heights == [0.733, 0.801, 0.840, 0.849, 0.874]
    assert (np.diff(line.get_xdata()) >= 0).all()


def test_zero_has_a_place_left_of_a_break():
    axis = BrokenLogAxis.over(np.array([0, 1_000, 10_000_000]))
    zero, thousand, many = axis.place(np.array([0, 1_000, 10_000_000]))
    assert axis.limits[0] < zero < thousand == 3 < many == 7 < axis.limits[1]
    axes = tradeoff_figure(SEVEN, CAPTION, "triplet accuracy").axes[0]
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names == ["0", "1k", "10k", "100k", "1M", "10M"]


def test_arms_of_equal_cost_stand_side_by_side_and_the_front_keeps_its_place():
    axis = BrokenLogAxis.over(np.array([0, 1_000, 1_000_000]))
    places = np.array([3.0, 3.0, 3.0, 6.0])
    spread = axis.spread(places, np.array([False, True, False, True]))
    assert spread[1] == 3.0
    assert spread[3] == 6.0
    assert len(set(spread)) == 4
    assert (spread >= places).all()


def test_arms_that_add_nothing_stay_in_the_band_of_zero_and_away_from_each_other():
    axis = BrokenLogAxis.over(np.array([0] * 7 + [1_000]))
    places = axis.place(np.array([0] * 7 + [1_000]))
    spread = axis.spread(places, np.array([False, True] + [False] * 6))
    left, right = axis.band
    assert ((spread[:7] > left) & (spread[:7] < right)).all()
    assert right < axis.low < spread[7] == 3.0
    assert np.diff(np.sort(spread[:7])).min() > 0.01 * (axis.limits[1] - axis.limits[0])
    assert spread[1] == spread[:7].max()  # the front goes on from there


def test_the_legend_crosses_no_mark_and_the_band_of_the_front_is_drawn():
    band = pd.DataFrame({"cost": [0.0, 896.0, 17_721_984.0], "low": [0.7, 0.78, 0.86], "high": [0.76, 0.82, 0.89]})
    figure = tradeoff_figure(SEVEN, CAPTION, "triplet accuracy", band)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_legend().get_window_extent().y0 >= axes.bbox.y1
    heights = np.concatenate([path.vertices[:, 1] for drawn in axes.collections for path in drawn.get_paths()])
    assert {0.7, 0.78, 0.86, 0.76, 0.82, 0.89} <= set(heights.round(6))


@pytest.mark.parametrize(("count", "text"), [(1, "1"), (200, "200"), (1_000, "1k"), (2_000_000, "2M"), (10**9, "1G")])
def test_short_counts(count, text):
    assert short_count(count) == text


def test_files_are_pictures_and_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        save_figure(tradeoff_figure(SEVEN, CAPTION, "triplet accuracy"), tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[:2] == (928, 1440)
    assert picture[..., :3].min() < 0.2
    assert picture[..., :3].mean() > 0.9


def test_a_failing_save_leaves_the_old_figure(tmp_path, monkeypatch):
    figure = tradeoff_figure(NO_ZERO, CAPTION, "triplet accuracy")
    save_figure(figure, tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def fail(path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        save_figure(figure, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize("tasks", [1, 4, 7])
def test_one_panel_a_task(tasks):
    rows = [(arm, f"task{t}", 0.8, 0.7, 0.9) for arm in ("shared", "late", "separate") for t in range(tasks)]
    values = pd.DataFrame(rows, columns=["arm", "task", "mean", "low", "high"])
    figure = task_figure(values, CAPTION, "triplet accuracy")
    figure.draw_without_rendering()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [f"task{t}" for t in range(tasks)]
    assert [tick.get_text() for tick in shown[0].get_yticklabels()] == ["shared", "late", "separate"]
