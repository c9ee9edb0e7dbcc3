"""Names as people and enemies choose them, through the real rendering of figures."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from results.analysis.tradeoff import pareto_front
from results.figures.affinity import TaskMatrix, affinity_figure
from results.figures.canvas import Caption, save_figure
from results.figures.drawing import figure_names, figure_text
from results.figures.tasks import task_figure
from results.figures.tradeoff import tradeoff_figure
from results.plain_text import short_names, shortened, visible

HOSTILE = [
    "price=$$",
    "$\\frac{1}{2}$ \\$5",
    "\\alpha_{i}^2",
    "_hidden",
    "[bold red]loud[/] :heart:",
    "<script>alert(1)</script> -->",
    "a\x1b[31mred\x1b[0m\x07",
    "two\nlines\r\n\tand a tab",
    "\u202egnp.exe\u202c",
    "zero\u200bwidth\ufeff",
    "颜色 цвет צבע لون रंग",
    "😀👩‍👩‍👧",
    "\udcff\ud800",
    "\x9b2J\x85\u2028\ufffe",
    "%(name)s {0} ${HOME} `id`",
    "x" * 300,
    "word " * 60,
]
UNWRITABLE = ("\udcff\ud800",)
"""What no study file, table or journal lets in, and only paths and messages of errors may hold."""

writable = st.characters(exclude_categories=["Cs"])
names = st.one_of(
    st.sampled_from([name for name in HOSTILE if name not in UNWRITABLE]), st.text(writable, min_size=1, max_size=40)
)


@given(st.text(st.characters()))
def test_what_cannot_be_seen_is_shown_as_an_escape(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"} for character in shown)
    shown.encode("utf-8")
    assert visible(shown) == shown


def test_what_can_be_seen_stays() -> None:
    for text in ("price=$$", "Grün & blau", "颜色", "a  b\u00a0c\u3000d", "back\\slash", "*<b>|`"):
        assert visible(text) == text
    assert visible("a\x1b[31m\n\u202e\udcff") == "a\\x1b[31m\\n\\u202e\\udcff"


@given(st.lists(names, unique=True, max_size=8), st.integers(3, 30))
def test_short_names_stay_apart(given: list[str], longest: int) -> None:
    for shown in (short_names(given, longest), figure_names(given, longest)):
        assert list(shown) == given
        assert len(set(shown.values())) == len(given)
        assert all(len(name) <= longest + len(" (99)") for name in shown.values())


def test_a_short_name_keeps_both_ends() -> None:
    assert shortened("embedding+disjoint(0)-frozen", 12) == "embedd…rozen"
    assert shortened("late", 4) == "late"


def figures_of(tasks: list[str]) -> list:
    """Every figure that shows names which are not made by us, with the same names for tasks and arms."""
    caption = Caption(f"Title {tasks[0]}", f"Study {tasks[0]}. " + "A note. " * 20)
    frame = pd.DataFrame(
        {"arm": tasks, "added_parameters": range(len(tasks)), "mean": np.linspace(0.5, 0.6, len(tasks))}
    )
    frame = frame.assign(low=0.4, high=0.7)
    frame["on_front"] = pareto_front(frame["mean"].to_numpy(), frame["added_parameters"].to_numpy(dtype=float))
    values = pd.DataFrame(
        [(arm, task, 0.5, 0.4, 0.6) for arm in tasks for task in tasks], columns=["arm", "task", "mean", "low", "high"]
    )
    matrix = TaskMatrix("affinity", np.arange(len(tasks) ** 2).reshape(len(tasks), -1) + 1.0, "of", "on")
    return [
        tradeoff_figure(frame, caption, "accuracy"),
        task_figure(values, caption, "accuracy"),
        affinity_figure(tasks, [matrix], caption),
    ]


def texts_of(figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("start", range(0, len(HOSTILE), 6))
def test_figures_show_any_name_as_it_is(start: int, tmp_path: Path) -> None:
    given = [name for name in HOSTILE[start : start + 6] if name not in UNWRITABLE]
    for number, figure in enumerate(figures_of(given)):
        save_figure(figure, tmp_path / f"{number}.svg")
        ET.parse(tmp_path / f"{number}.svg")  # noqa: S314 - our own file
        texts = texts_of(figure)
        shown = {text.get_text() for text in texts}
        for name in given:
            assert {figure_names([name])[name], figure_names([name], 28)[name]} & shown, name
        assert not any(text.get_parse_math() or text.get_usetex() for text in texts)


@settings(max_examples=8, deadline=None)
@given(st.lists(names, unique=True, min_size=2, max_size=4))
def test_any_names_make_a_figure(given: list[str]) -> None:
    for figure in figures_of(given):
        figure.draw_without_rendering()


def test_a_style_of_the_users_own_changes_no_figure(tmp_path: Path) -> None:
    import matplotlib as mpl

    save_figure(figures_of(["a$b$", "shared"])[0], tmp_path / "a.svg")
    with mpl.rc_context({"text.usetex": True, "font.family": ["monospace"], "font.size": 20, "axes.grid": True}):
        save_figure(figures_of(["a$b$", "shared"])[0], tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_characters_without_a_glyph_are_shown_by_their_code() -> None:
    assert figure_text("naïve Ω цвет") == "naïve Ω цвет"
    assert figure_text("\U000e0041\ue000") == "\\U000e0041\\ue000"
