"""What a figure says about its numbers: the same record for an image file and for the page."""

from __future__ import annotations

from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.report.captions.of_study import captioned, captions_of
from results.report.captions.record import caption_line


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
