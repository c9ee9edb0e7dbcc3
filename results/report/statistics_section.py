"""What can be told from a study's seeds: the arms tied with the best, the cheapest good one, selection, weak tasks."""

from __future__ import annotations

from results.analysis.inference.gain import worst_gains
from results.analysis.inference.selection_bias import selection_bias
from results.analysis.reported import Results
from results.report.markdown import bullets, escape, table
from results.report.wording import estimate, percent, share


def statistics_section(results: Results) -> str:
    """Return the section; a sentence without confirm results."""
    best, scores = results.best, results.scores
    if best is None:
        return "There are no confirm results yet."
    facts = [f"Cannot be told from the best arm, {best.best}, with 95 % confidence: {', '.join(best.tied)}"]
    cheapest = results.cheapest
    if cheapest and cheapest.probability is not None:
        facts.append(
            f"Cheapest arm within {cheapest.points:g} of the best by the means: {cheapest.arm}; probability that its"
            f" true mean is within {cheapest.points:g} of the highest: {percent(cheapest.probability)}"
        )
    volume = results.front.hypervolume
    facts.append(f"Hypervolume {estimate(volume.mean, volume.low, volume.high)}: {results.front.hypervolume_of}")
    facts += [
        f"Task {remark.task} is {remark.kind}: {share(remark.value)}, chance {share(remark.chance)}"
        for remark in results.task_remarks
    ]
    parts = [bullets(facts)]
    if "separate" in scores.arms:
        header = ["arm", "relative gain over separate", "worst task", "gain there, for all tasks at once"]
        rows = [
            [
                row["arm"],
                estimate(row["delta_mean"], row["delta_low"], row["delta_high"], signed=True),
                row["worst_task"],
                estimate(row["mean"], row["low"], row["high"], signed=True),
            ]
            for row in worst_gains(scores).to_dict("records")
        ]
        parts.append(table(header, rows))
    header = ["arm", "selected from", "selected value", "same values, fresh seeds", "test"]
    rows = [
        [
            row["arm"],
            str(row["n_tune"]),
            share(row["selected"]),
            estimate(row["validation_mean"], row["validation_low"], row["validation_high"]),
            share(row["test_mean"]),
        ]
        for row in selection_bias(results.trials, results.confirmed).to_dict("records")
    ]
    note = (
        "The selected value is the highest of several, so it flatters; fresh seeds on the same images show by how much."
    )
    return "\n\n".join([*parts, table(header, rows), escape(note)])
