"""The tables on the cheapest good arm and on sources of variation, as details and page show them."""

from __future__ import annotations

from dataclasses import replace

from results.analysis.inference.aggregate import interquartile_means
from results.analysis.inference.variation import variation
from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.page.render import render_page
from results.report.analyses.certainty import numbers_of
from results.report.analyses.numbers import numbers_section


def test_every_arm_has_an_interval_per_source_and_an_interquartile_mean(usual: Results) -> None:
    found = numbers_of(usual)[-1]
    assert (found.title, found.header[2:]) == (
        "Sources of variation",
        ("seeds", "seeds and tasks", "test images", "interquartile mean"),
    )
    arm = found.rows[0][0]
    own = variation(usual.scores).query("arm == @arm")
    assert found.rows[0][2:5] == tuple(f"[{row.low:.3f}, {row.high:.3f}]" for row in own.itertuples())
    middle = interquartile_means(usual.scores).set_index("arm").loc[arm]
    assert found.rows[0][5] == f"{middle['mean']:.3f} [{middle['low']:.3f}, {middle['high']:.3f}]"
    assert [float(row[1]) for row in found.rows] == sorted((float(row[1]) for row in found.rows), reverse=True)


def test_the_cheapest_arm_depends_on_the_tolerance_and_has_its_probabilities(usual: Results) -> None:
    strict, lax = (replace(usual, within=points) for points in (0.0, 1.0))
    assert lax.cheapest.arm == "shared"
    assert strict.cheapest.arm == usual.costed.arms[usual.costed.means().argmax()]
    found = numbers_of(lax)[0]
    assert found.title == "Cheapest arm within 1 of the best"
    assert found.rows[0] == ("shared", "0", "100 %", "100 %")
    assert {row[2] for row in found.rows} == {"100 %"}
    assert numbers_section(found).startswith(
        "| arm | added parameters | within 1 of the best | the cheapest of those |"
    )


def test_the_page_shows_the_same_tables(usual: Results) -> None:
    html = render_page(build_page(usual, PageOrigin()))
    for numbers in numbers_of(usual):
        assert f"<summary>{numbers.title}</summary>" in html
        assert all(f'<th scope="row">{row[0]}</th>' in html for row in numbers.rows)


def test_one_seed_says_nothing_about_the_cheapest_arm(usual: Results) -> None:
    one = usual.trials[(usual.trials["stage"] != "confirm") | (usual.trials["train_seed"] == 1)]
    found = numbers_of(replace(usual, trials=one))
    assert not any(numbers.title.startswith("Cheapest arm") for numbers in found)
    assert found[-1].title == "Sources of variation"
    assert found[-1].rows[0][2:4] == ("-", "-")
