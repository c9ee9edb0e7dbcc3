from results.analysis.reported import Results
from results.report.statistics_section import statistics_section


def section(study):
    return statistics_section(Results(study.trials, study.task_metrics, study.storage, study.failures))


def test_ties_the_cheapest_arm_gains_and_selection_are_shown(study):
    text = section(study)
    assert "Cannot be told from the best arm, " in text
    assert "Cheapest arm within 0.01 of the best by the means: " in text
    assert "Hypervolume 0." in text
    assert "| arm | relative gain over separate | worst task |" in text
    assert "| arm | selected from | selected value |" in text


def test_without_confirm_results_it_says_so(study):
    assert section(study.without(stage="confirm")) == "There are no confirm results yet."
