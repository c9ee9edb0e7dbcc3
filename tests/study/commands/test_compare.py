"""``modstudy compare`` on runs whose journals are made up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from study import Study, UserError
from study.cli import app
from study.commands.compare import compare
from study.commands.results import report_live
from study.layout import RunFolder


def modstudy(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def other(played: RunFolder, tmp_path: Path) -> Path:
    """The same journals as another study of fewer triplets."""
    place = tmp_path / "other"
    shutil.copytree(played.path, place)
    text = yaml.safe_load((place / "study.yaml").read_text())
    text["evaluation"]["triplets_per_task"] = 77
    (place / "study.yaml").write_text(yaml.safe_dump(text))
    return place


def test_two_arms_are_compared_in_words_and_from_python(played: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = modstudy("compare", played.path, "--arms", "late", "shared", "--out", page)
    assert "late against shared" in text
    assert "all tasks" in text
    assert "paired by train seed" in text
    assert page.read_text().startswith("# Comparison\n\n## Study tiny: late against shared\n\n| task | difference |")
    found = Study(played.path).compare("late", "shared")
    turned = Study(played.path).compare("shared", "late")
    assert found.verdict.difference.mean == pytest.approx(-turned.verdict.difference.mean)
    assert found.verdict.p_holm == turned.verdict.p_holm


def test_studies_are_put_side_by_side_with_what_differs(played: RunFolder, other: Path) -> None:
    text = modstudy("compare", played.path, other)
    assert "Studies side by side" in text
    assert "evaluation.triplets_per_task" in text
    assert "77" in text


def test_studies_become_one_page_that_loads_nothing(played: RunFolder, other: Path, tmp_path: Path) -> None:
    page = tmp_path / "comparison.html"
    modstudy("compare", played.path, other, "--out", page)
    html = page.read_text()
    assert "evaluation.triplets_per_task" in html
    assert html.count("<script") == 3
    assert "default-src &#39;none&#39;" in html
    given = [played.path, other]
    with pytest.raises(UserError, match=r"page\.pdf: .*end the name in \.html or \.md"):
        compare(given, tmp_path, None, tmp_path / "page.pdf")
    with pytest.raises(UserError, match="two arms are compared in Markdown"):
        compare(given, tmp_path, ("late", "shared"), page)


def test_what_cannot_be_compared_is_refused_in_a_line(played: RunFolder) -> None:
    study = Study(played.path)
    with pytest.raises(UserError, match="no arm 'lat' with test results; did you mean 'late'"):
        study.compare("lat", "shared")
    with pytest.raises(UserError, match="late and late: an arm cannot be compared with itself"):
        study.compare("late", "late")
    with pytest.raises(UserError, match="name two or more, or compare two of its arms"):
        study.beside()
    with pytest.raises(UserError, match="was named twice"):
        study.beside(study)
    result = CliRunner().invoke(app, ["compare", str(played.path), "--arms", "late", "shared", "--out", "x.pdf"])
    assert result.exit_code == 2


def test_a_live_report_ends_where_no_run_is_at_work(played: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(next(iter(sorted(played.trials.iterdir()))))
    report_live(played.path, played.path.parent)
    said = capsys.readouterr().out
    assert "report: " in said
    assert said.endswith("trials done, and no run is at work\n")


def test_a_live_report_ends_with_its_study(played: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    report_live(played.path, played.path.parent)
    assert "report: " in capsys.readouterr().out
    assert (played.report / "report.md").is_file()
