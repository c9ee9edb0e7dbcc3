"""Tables that Markdown and page share: the cheapest good arms with their probabilities, and sources of variation."""

from __future__ import annotations

import math

from results.analysis.front.cheapest import WITHIN
from results.analysis.inference.aggregate import interquartile_means
from results.analysis.inference.variation import SPEAKS_OF, variation
from results.analysis.reported import Results
from results.report.analyses.choices import cost_numbers, gain_numbers, seconds_numbers, selection_numbers
from results.report.analyses.numbers import Numbers
from results.report.wording import ABSENT, count, estimate, percent

MOST_ROWS = 40
"""Arms in a table: the cheapest ones, or those with the highest means."""


def numbers_of(results: Results) -> tuple[Numbers, ...]:
    """Return the tables that the study has data for."""
    summary = results.summary
    choices = (gain_numbers(results), selection_numbers(results), cost_numbers(summary), seconds_numbers(summary))
    found = (_cheapest(results), *choices, _variation(results)) if results.best else ()
    return tuple(numbers for numbers in found if numbers is not None)


def _cheapest(results: Results) -> Numbers | None:
    """The arms that may be the cheapest within a tolerance of the best; None where one seed says nothing."""
    found = results.cheapest
    if found is None or found.probability is None:
        return None
    points = f"{found.points:g}"
    choices = found.choices.dropna(subset=["within"])
    kept = choices[(choices["within"] > 0) | (choices["arm"] == found.arm)]
    rows = tuple(
        (str(row["arm"]), count(row["cost"]), percent(row["within"]), percent(row["cheapest"]))
        for row in kept.head(MOST_ROWS).to_dict("records")
    )
    notes = (
        f"By the means over seeds, {found.arm} is the cheapest arm within {points} of the best.",
        "Probabilities: shares of joint Student t draws of all true means over seeds, triplet accuracy on test images.",
        f"For another tolerance: modstudy report RUN --within {2 * found.points or WITHIN:g}.",
        *_left_out(len(choices) - len(rows), "never within it, or at a higher cost"),
    )
    header = ("arm", "added parameters", f"within {points} of the best", "the cheapest of those")
    return Numbers(f"Cheapest arm within {points} of the best", header, rows, notes)


def _variation(results: Results) -> Numbers | None:
    """The mean of every arm with an interval per source of variation, and the interquartile mean."""
    found = variation(results.scores)
    if found.empty:
        return None
    middle = interquartile_means(results.scores).set_index("arm")
    by_source = {(row["arm"], row["source"]): row for row in found.to_dict("records")}
    means = found.drop_duplicates("arm").sort_values("mean", ascending=False, kind="stable")
    rows = []
    for arm in means["arm"].head(MOST_ROWS):
        bounds = [by_source[arm, source] for source in SPEAKS_OF]
        own = middle.loc[arm]
        rows.append(
            (
                str(arm),
                f"{bounds[0]['mean']:.3f}",
                *(_bounds(row["low"], row["high"]) for row in bounds),
                estimate(own["mean"], own["low"], own["high"]),
            )
        )
    speaks = "; ".join(f"{source}: {words}" for source, words in SPEAKS_OF.items())
    notes = (
        "Triplet accuracy on test images. Each 95 % interval speaks of what would vary if the study were repeated.",
        f"{speaks}.",
        "Interquartile mean: of the middle half of all values over seeds and tasks; jackknife over seeds, Student t.",
        *_left_out(len(means) - len(rows), "with lower means"),
    )
    return Numbers("Sources of variation", ("arm", "mean", *SPEAKS_OF, "interquartile mean"), tuple(rows), notes)


def _bounds(low: float, high: float) -> str:
    return ABSENT if math.isnan(low) else f"[{low:.3f}, {high:.3f}]"


def _left_out(arms: int, which: str) -> tuple[str, ...]:
    return (f"Left out: {arms} arm{'s' * (arms > 1)} {which}.",) if arms > 0 else ()
