"""What the seeds of a study tell, in sentences: the best arms, the cheapest good one, the front, weak tasks."""

from __future__ import annotations

from results.analysis.reported import Results
from results.report.answer import best_sentence
from results.report.markdown import bullets
from results.report.wording import estimate, percent, share


def statistics_section(results: Results) -> str:
    """Return the sentences as Markdown, or one that says that there are no results."""
    return bullets(findings(results)) or "There are no confirm results yet."


def findings(results: Results) -> list[str]:
    """Return the sentences; empty without confirm results."""
    if results.best is None:
        return []
    facts = [sentence] if (sentence := best_sentence(results, len(results.scores.arms)).removesuffix(".")) else []
    cheapest, volume = results.cheapest, results.front.hypervolume
    if cheapest and cheapest.probability is not None:
        facts.append(
            f"Cheapest arm within {cheapest.points:g} of the best by the means: {cheapest.arm}; probability that its"
            f" true mean is within {cheapest.points:g} of the highest: {percent(cheapest.probability)}"
        )
    facts.append(f"Hypervolume {estimate(volume.mean, volume.low, volume.high)}: {results.front.hypervolume_of}")
    return facts + [
        f"Task {remark.task} is {remark.kind}: {share(remark.value)}, chance {share(remark.chance)}"
        for remark in results.task_remarks
    ]
