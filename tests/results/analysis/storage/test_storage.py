"""Costs at gallery sizes, break-even sizes and efficient sets, against hand-worked cases and slow searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.statistics import Interval
from results.analysis.storage.arms import StoredArm, Work, estimates, storage_table
from results.analysis.storage.break_even import break_even, break_evens, index_outweighs_network
from results.analysis.storage.efficient import Limits, efficient_set
from results.figures.storage import MOST_LABELS, StoragePanels, storage_figure


def stored(arm: str, network: int, per_image: int, work: float = 10.0, accuracy: float | None = 0.5) -> StoredArm:
    interval = None if accuracy is None else Interval(accuracy, accuracy - 0.01, accuracy + 0.01, 3)
    return StoredArm(arm, "fp16", "fp16", 4, 100, 7, network, 1, per_image, Work(work, 5.0, 2.0), None, interval)


SHARED = stored("shared", 1000, 64, 10, 0.5)
WIDE = stored("wide", 9000, 64, 12, 0.6)
LATE = stored("late", 1100, 256, 12, 0.7)
SEPARATE = stored("separate", 4000, 256, 40, 0.7)


def test_bytes_and_work_grow_with_the_gallery() -> None:
    assert LATE.total_bytes(10) == 1100 + 2560
    assert LATE.multiply_adds.of_query(10) == 25
    assert index_outweighs_network(LATE) == 1100 / 256
    table = storage_table([SHARED, LATE], [1e3, 1e6])
    assert list(table["total_bytes"]) == [65_000, 64_001_000, 257_100, 256_001_100]
    assert list(table["query_multiply_adds"]) == [2_005, 2_000_005] * 2
    assert set(table["parameters"]) == {107}


def test_break_even_is_where_two_arms_take_equally_many_bytes() -> None:
    pair = break_even(LATE, WIDE)
    assert pair is not None
    assert (pair.below.arm, pair.above.arm) == ("late", "wide")
    assert LATE.total_bytes(pair.images) == pytest.approx(WIDE.total_bytes(pair.images))
    assert break_even(SHARED, LATE) is None  # smaller in both
    assert break_even(SHARED, WIDE) is None  # the same index
    assert break_even(SHARED, SHARED) is None
    assert [(pair.below.arm, pair.above.arm) for pair in break_evens([WIDE, SEPARATE, LATE])] == [
        ("separate", "wide"),
        ("late", "wide"),
    ]


sizes = st.integers(1, 10_000)


@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), st.integers(0, 20_000))
def test_the_smaller_arm_on_either_side_of_a_break_even(one: tuple[int, int], other: tuple[int, int], images: int):
    first, second = stored("first", *one), stored("second", *other)
    pair = break_even(first, second)
    if pair is None:
        return
    less, more = (pair.below, pair.above) if images < pair.images else (pair.above, pair.below)
    assert less.total_bytes(images) <= more.total_bytes(images) + 1e-6


def test_the_efficient_set_by_hand() -> None:
    arms = [WIDE, SEPARATE, LATE, SHARED]
    assert [arm.arm for arm in efficient_set(arms, 1.0, Limits())] == ["shared", "late"]
    assert [arm.arm for arm in efficient_set(arms, 1e6, Limits())] == ["shared", "wide", "late"]
    assert [arm.arm for arm in efficient_set(arms, 1e6, Limits(bytes=200e6))] == ["shared", "wide"]
    assert [arm.arm for arm in efficient_set(arms, 1e6, Limits(multiply_adds=9))] == []
    assert Limits(bytes=2000).exceeded_by(SEPARATE, 1) == "4,256 > 2,000 bytes"
    assert efficient_set([stored("unknown", 1, 1, 1, None)], 1, Limits()) == ()
    twins = [SHARED, stored("twin", 1000, 64, 10, 0.5)]
    assert len(efficient_set(twins, 1e4, Limits())) == 2


figures = st.tuples(sizes, sizes, st.integers(1, 9), st.integers(0, 9))


@given(st.lists(figures, min_size=1, max_size=7), st.integers(1, 10_000))
def test_the_efficient_set_is_that_of_a_slow_search(drawn: list[tuple[int, int, int, int]], images: int) -> None:
    arms = [stored(str(n), network, index, work, score / 10) for n, (network, index, work, score) in enumerate(drawn)]

    def beaten(arm: StoredArm) -> bool:
        for rival in arms:
            score, own = rival.accuracy.mean, arm.accuracy.mean
            no_worse = (
                rival.total_bytes(images) <= arm.total_bytes(images)
                and rival.multiply_adds.image <= arm.multiply_adds.image
                and score >= own
            )
            better = (
                rival.total_bytes(images) < arm.total_bytes(images)
                or rival.multiply_adds.image < arm.multiply_adds.image
                or score > own
            )
            if no_worse and better:
                return True
        return False

    assert {arm.arm for arm in efficient_set(arms, images, Limits())} == {arm.arm for arm in arms if not beaten(arm)}


def test_accuracy_and_its_change_are_over_seeds() -> None:
    accuracy, change = estimates({1: 0.6, 2: 0.7}, {1: 0.61, 2: 0.72, 3: 0.9})
    assert (accuracy.mean, accuracy.n) == (pytest.approx(0.65), 2)
    assert (change.student.mean, change.seeds) == (pytest.approx(-0.015), (1, 2))
    assert estimates({}, {1: 0.5}) == (None, None)
    assert estimates({1: 0.5}, None) == (Interval(0.5, None, None, 1), None)


BELOW = [("fp16", "fp16"), ("fp32", "1bit"), ("int8", "fp32")]
"""Precisions of network and index."""


def test_the_figure_shows_every_gallery_size_and_fills_the_efficient_arms() -> None:
    arms = [SHARED, WIDE, LATE, SEPARATE]
    chosen = {images: [arm.name for arm in efficient_set(arms, images, Limits())] for images in (1e2, 1e6)}
    figure = storage_figure(StoragePanels(arms, chosen, {arm.name: arm.arm for arm in arms}, "$x$ <b>", "note"))
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["100 images", "1,000,000 images", "at any size", "as the gallery grows"]
    filled = [
        line for line in figure.axes[1].lines if line.get_marker() == "o" and line.get_markerfacecolor() != "white"
    ]
    assert sorted(float(x) for line in filled for x in line.get_xdata()) == sorted(
        arm.total_bytes(1e6) for arm in (SHARED, WIDE, LATE)
    )
    figure.draw_without_rendering()
    low, high = figure.axes[1].get_xlim()
    ticks = zip(figure.axes[1].get_xticks(), figure.axes[1].get_xticklabels(), strict=True)
    assert [label.get_text() for at, label in ticks if low <= at <= high] == ["50 M", "100 M", "200 M"]
    growth = figure.axes[3].lines[0]
    assert np.allclose(growth.get_ydata(), 1000 + 64 * np.asarray(growth.get_xdata()))


def test_lines_of_arms_below_fp32_are_dashed() -> None:
    forms = [("fp32", "fp32"), *BELOW]
    arms = [replace(SHARED, network=network, index=index) for network, index in forms]
    shown = {arm.name: arm.name for arm in arms}
    growth = storage_figure(StoragePanels(arms, {1e4: [arm.name for arm in arms]}, shown, "title", "note")).axes[2]
    assert [line.get_linestyle() for line in growth.lines] == ["-", *["--"] * len(BELOW)]


def test_lines_that_end_together_share_a_label_that_fits_and_lie_above_the_others() -> None:
    names = [f"embedding with a long name {number}" for number in range(5)]
    arms = [stored(name, 1000 + number, 64, 10 - number, 0.5 + number / 100) for number, name in enumerate(names)]
    beaten = stored("beaten", 2000, 64, 20, 0.4)
    chosen = {1e4: [arm.name for arm in arms]}
    shown = {arm.name: arm.arm for arm in (*arms, beaten)}
    figure = storage_figure(StoragePanels([*arms, beaten], chosen, shown, "title", "note"))
    growth = figure.axes[2]
    (label,) = growth.texts
    assert label.get_text() == f"{names[0]} and 4 more"
    extent = label.get_window_extent()
    assert growth.bbox.x0 <= extent.x0
    assert extent.x1 <= growth.bbox.x1
    assert growth.lines[-1].get_zorder() < growth.lines[0].get_zorder()


def test_of_many_efficient_arms_the_most_accurate_are_named_and_the_title_says_so() -> None:
    arms = [stored(f"arm{number}", 1000 * 2**number, 64, 10 + number, 0.5 + number / 100) for number in range(20)]
    chosen = {1e2: [arm.name for arm in arms]}
    figure = storage_figure(StoragePanels(arms, chosen, {arm.name: arm.arm for arm in arms}, "title", "note"))
    for panel, name in zip(figure.axes[:2], ("100 images", "at any size"), strict=True):
        assert {text.get_text() for text in panel.texts} == {f"arm{number}" for number in range(20 - MOST_LABELS, 20)}
        assert panel.get_title(loc="left") == f"{name} ({MOST_LABELS} of 20 named)"


def test_points_in_one_place_share_a_label() -> None:
    same = [stored(f"arm{number}", 1000, 64, 10, 0.5) for number in range(400)]
    twins = [stored(name, 5000, 64, 20, 0.6) for name in ("one", "other")]
    arms = [*same, *twins]
    chosen = {1e2: [arm.name for arm in arms]}
    figure = storage_figure(StoragePanels(arms, chosen, {arm.name: arm.arm for arm in arms}, "title", "note"))
    for panel in figure.axes[:2]:
        assert {text.get_text() for text in panel.texts} == {"arm0 and 399 more", "one, other"}
        (points,) = [line for line in panel.lines if line.get_marker() == "o"]
        assert len(points.get_xdata()) == 402
