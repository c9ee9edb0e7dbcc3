"""Writing a figure: one layout for all files, the same picture as matplotlib's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from results.figures.arms import ranked_figure
from results.figures.canvas import Caption, save_figure
from results.figures.drawing import drawing


def laid_out() -> Figure:
    ranked = pd.DataFrame({"arm": ["late", "all"], "mean": [0.8, 0.7], "low": 0.5, "high": 0.9})
    return ranked_figure(ranked, frozenset({"late"}), 0.5, Caption("A title", "A note."))


def test_a_figure_is_laid_out_once_for_all_its_files_and_again_when_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, times = laid_out(), []
    layout = figure.get_layout_engine()
    assert layout is not None
    execute = layout.execute
    monkeypatch.setattr(layout, "execute", lambda drawn: (times.append(drawn), execute(drawn)))
    save_figure(figure, tmp_path / "a.png", tmp_path / "a.svg")
    assert times == [figure]
    assert figure.get_layout_engine() is layout


def test_the_picture_is_what_matplotlib_draws(tmp_path: Path) -> None:
    save_figure(laid_out(), tmp_path / "ours.png", tmp_path / "ours.svg")
    with drawing():
        laid_out().savefig(tmp_path / "theirs.png", metadata={"Software": None}, facecolor="white")
    assert (tmp_path / "ours.png").read_bytes() == (tmp_path / "theirs.png").read_bytes()


def test_a_figure_keeps_its_layout_when_it_cannot_be_written(tmp_path: Path) -> None:
    figure = laid_out()
    layout = figure.get_layout_engine()
    with pytest.raises(ValueError, match="not supported"):
        save_figure(figure, tmp_path / "a.unknown")
    assert figure.get_layout_engine() is layout
