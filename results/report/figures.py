"""The figures of a report with their captions, each from the results of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from results.analysis.answer.answer import METRIC
from results.analysis.chance import mean_chance
from results.analysis.figure_data.curves import ACCURACY, arm_curves
from results.analysis.figure_data.factor_grid import factor_grids
from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.figures.arms import MOST_ARMS, CurveAxis, curve_figure, ranked_figure
from results.figures.canvas import Caption
from results.figures.heat_map import factor_figure
from results.figures.tasks import task_figure
from results.figures.tradeoff import tradeoff_figure
from results.plain_text import nearest
from results.report.agreement_section import agreement_report, captioned_agreement
from results.report.analyses.figures import importance_drawn, performance_drawn, storage_drawn
from results.report.wording import seeds_of

Tables = Mapping[str, pd.DataFrame]

_TEST_ACCURACY = "triplet accuracy on test images"


def report_figure(name: str, tables: Tables) -> Figure:
    """Draw a figure of the report.

    Args:
        name: ``tradeoff`` (accuracy against added parameters), ``arms`` (the arms ranked), ``tasks`` (accuracy by
            task), ``factors`` (accuracy by placement, initialization and grouping), ``curves`` (training of every arm),
            ``importance`` (what matters), ``performance`` (profiles and probability of improvement), ``storage``
            (accuracy against bytes), or ``agreement`` (cosines of the tasks' gradients, where
            ``agreement.every_epochs`` was set).
        tables: All but ``summary``, by name; ``curves`` is needed for ``curves`` and ``agreement`` only.

    Raises:
        ValueError: There is no such figure, or the tables hold nothing to draw in it yet.
    """
    if name not in _FIGURES:
        raise ValueError(f"no figure {name!r}{nearest(name, _FIGURES)}")
    results = Results.of(tables)
    if results.points.empty:
        raise ValueError("there is nothing to draw yet: no confirm trial has been completed")
    drawn = _FIGURES[name].draw(results)
    if drawn is None:
        raise ValueError(f"there is nothing to draw: {_FIGURES[name].lacking}")
    return drawn


def drawn_figures(results: Results) -> dict[str, Figure]:
    """Return every figure but ``agreement`` that the results allow, by name; none without confirm results."""
    if results.points.empty:
        return {}
    found = {name: figure.draw(results) for name, figure in _FIGURES.items() if name != "agreement"}
    return {name: figure for name, figure in found.items() if figure is not None}


def _basis(results: Results) -> str:
    seeds = seeds_of(results.summary)
    return f"Study {results.study}. Means and 95 % Student t intervals over train seeds {seeds}"


def _rule(results: Results) -> str:
    return str(results.summary["selection_rule"].iloc[0])


def _tradeoff(results: Results) -> Figure:
    caption = Caption(
        "Test triplet accuracy against added parameters",
        f"{_basis(results)}, each the mean over {results.tasks['task'].nunique()} tasks. Shaded: 95 % band of the"
        " front, for joint draws of all means. Arms of nearly equal cost are drawn side by side; the grey band at the"
        f" left is zero throughout. Selection: {_rule(results)}.",
    )
    return tradeoff_figure(results.points, caption, f"{_TEST_ACCURACY}, mean over tasks", results.front.band)


def _arms(results: Results) -> Figure:
    ranked = ranked_arms(results.summary)
    best = results.best
    cut = f" The best {MOST_ARMS} of {len(ranked)} arms." if len(ranked) > MOST_ARMS else ""
    how = "Filled: cannot be told from the best by one-sided paired t tests, corrected for the number of rivals."
    note = f"{_basis(results)}, each the mean over {len(results.scores.tasks)} tasks.{cut} {how} {_rule(results)}."
    equals = frozenset(best.tied) if best else frozenset()
    return ranked_figure(ranked, equals, results.chance, Caption("Arms by test triplet accuracy", note))


def _tasks(results: Results) -> Figure:
    lines = "One scale for all tasks. In panels, dotted line: shared; dashed line: separate; orange line: chance."
    note = f"{_basis(results)}. {lines} Selection: {_rule(results)}."
    return task_figure(results.tasks, Caption("Test triplet accuracy by task", note), _TEST_ACCURACY)


def _factors(results: Results) -> Figure | None:
    grids = factor_grids(results.summary)
    if not grids:
        return None
    note = (
        f"Study {results.study}. Means over train seeds {seeds_of(results.summary)} and over the arms of a cell, where"
        f" they differ in another factor too. Intervals are in the table. Selection: {_rule(results)}."
    )
    caption = Caption("Test triplet accuracy by placement, initialization and grouping", note)
    return factor_figure(grids, caption, _TEST_ACCURACY)


def _curves(results: Results) -> Figure | None:
    if results.curves is None:
        return None
    ranked = ranked_arms(results.summary)["arm"]
    found = arm_curves(results.curves, results.confirmed.trials, ACCURACY)
    if found.empty:
        return None
    order = {arm: place for place, arm in enumerate(ranked)}
    found = found.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")
    cut = f" The best {MOST_ARMS} of {len(order)} arms." if len(order) > MOST_ARMS else ""
    note = (
        f"Study {results.study}. Confirm trials, train seeds {seeds_of(results.summary)}; validation images, mean over"
        f" tasks. Line: mean over seeds; shaded: lowest to highest seed; grey: the other arms; orange: chance.{cut}"
    )
    axis = CurveAxis("triplet accuracy on validation images", mean_chance(results.confirmed, METRIC))
    return curve_figure(found, axis, Caption("Validation triplet accuracy by epoch", note))


def _agreement(results: Results) -> Figure | None:
    found = results.agreement
    return captioned_agreement(agreement_report(found), results.study) if found else None


class _Figure(NamedTuple):
    """How a figure is drawn, and why it may be lacking."""

    draw: Callable[[Results], Figure | None]
    lacking: str = "no confirm trial has been completed"


_FIGURES: dict[str, _Figure] = {
    "tradeoff": _Figure(_tradeoff),
    "arms": _Figure(_arms),
    "tasks": _Figure(_tasks),
    "factors": _Figure(_factors, "fewer than two of placement, initialization and grouping differ between arms"),
    "curves": _Figure(_curves, "there are no curves of confirm trials on validation images"),
    "importance": _Figure(importance_drawn, "there are fewer than 20 tune trials, and no factor differs between arms"),
    "performance": _Figure(performance_drawn, "fewer than two arms have confirm results"),
    "storage": _Figure(storage_drawn, "the tables do not say what the arms take to store"),
    "agreement": _Figure(
        _agreement,
        "gradients were not measured (agreement.every_epochs), or no arm can be compared with shared",
    ),
}

FIGURES = tuple(_FIGURES)
"""Every figure by name."""
