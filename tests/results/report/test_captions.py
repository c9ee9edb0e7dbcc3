"""What a figure says about its numbers: the same record for an image file and for the page."""

from __future__ import annotations

import pytest

from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.report.captions.of_study import captioned, captions_of
from results.report.captions.record import caption_line


@pytest.fixture(scope="module")
def results(make_study) -> Results:
    study = make_study()
    return Results(study.trials, study.task_metrics, study.storage, study.failures)


def test_every_caption_names_split_interval_n_and_rule(results: Results) -> None:
    for name, basis in captions_of(results).items():
        line = caption_line(basis)
        assert "images" in line, name
        assert "interval" in line, name
        assert "n = " in line, name
        assert (basis.rule or "no trial selected by a rule") in line, name


def test_page_and_files_say_the_same(results: Results) -> None:
    shown = build_page(results, PageOrigin()).captions
    bases = captions_of(results)
    assert shown.keys() == bases.keys()
    for name, basis in bases.items():
        if name in {"table", "curves"}:  # for several metrics on the page
            continue
        assert captioned(results, "title", basis).note == f"Study made-up · {caption_line(basis)}"
        assert " · ".join(part.full for part in shown[name]) == caption_line(basis)


def test_n_is_that_of_the_intervals(results: Results) -> None:
    found = captions_of(results)
    assert found["tradeoff"].n == "3 trials per arm"
    assert found["tradeoff"].seeds == "1, 2, 3"
    assert found["variance"].n == f"{results.importances.runs} confirm trials"
    assert found["curves"].split == "validation images"
