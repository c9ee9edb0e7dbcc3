from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.report.analyses.certainty import numbers_of
from results.report.markdown import bullets
from results.report.statistics_section import statistics_section


def test_ties_the_cheapest_arm_gains_and_selection_are_shown(usual):
    text = statistics_section(usual)
    assert "Cannot be told from the best arm, " in text
    assert "Cheapest arm within 0.01 of the best by the means: " in text
    assert "Hypervolume 0." in text
    page = build_page(usual, PageOrigin())
    assert text == bullets(page.findings)


def test_gains_selection_and_seconds_are_tables_of_details_and_page(usual):
    tables = {numbers.title: numbers for numbers in numbers_of(usual)}
    gains, selection = tables["Gain over separate networks"], tables["Validation against test"]
    assert gains.header[:3] == ("arm", "relative gain over separate", "worst task")
    assert [row[0] for row in selection.rows] == list(usual.summary["arm"])
    assert selection.rows[0][1] == "4"
    assert tables["Cost and seconds of a training"].rows[0] == ("separate", "7", "12.5")
    assert "Equal steps and equal cost" not in tables


def test_without_confirm_results_it_says_so(study):
    begun = study.without(stage="confirm")
    results = Results(begun.trials, begun.task_metrics, begun.storage, begun.failures)
    assert statistics_section(results) == "There are no confirm results yet."
    assert numbers_of(results) == ()
