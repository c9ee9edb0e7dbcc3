"""What a figure says about its numbers: the same record for an image file and for the page."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.report.captions.of_study import captioned, captions_of
from results.report.captions.record import caption_line
from results.report.figures import report_figure


def test_every_caption_names_split_interval_n_and_rule(usual: Results) -> None:
    for name, basis in captions_of(usual).items():
        line = caption_line(basis)
        assert "images" in line, name
        assert "interval" in line, name
        assert "n = " in line, name
        assert (basis.rule or "no trial selected by a rule") in line, name


def test_page_and_files_say_the_same(usual: Results) -> None:
    shown = build_page(usual, PageOrigin()).captions
    bases = captions_of(usual)
    assert shown.keys() == bases.keys()
    for name, basis in bases.items():
        if name in {"table", "curves"}:  # for several metrics on the page
            continue
        assert captioned(usual, "title", basis).note == f"Study made-up · {caption_line(basis)}"
        assert " · ".join(part.full for part in shown[name]) == caption_line(basis)


def test_n_is_that_of_the_intervals(usual: Results) -> None:
    found = captions_of(usual)
    assert found["tradeoff"].n == "3 trials per arm"
    assert found["tradeoff"].seeds == "1, 2, 3"
    assert found["variance"].n == f"{usual.importances.runs} confirm trials"
    assert found["curves"].split == "validation images"


def test_figure_by_task_speaks_of_intervals_and_lines_only_where_it_draws_them(
    usual: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    panels = _texts(report_figure("tasks", usual))
    assert "Student t interval" in panels
    assert "dashed line: separate" in panels
    monkeypatch.setattr("results.figures.tasks.SCREEN", (16.0, 1.5))  # panels do not fit
    heat_map = _texts(report_figure("tasks", usual))
    assert "no interval: means over seeds" in heat_map
    assert "line" not in heat_map


def _texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
