"""The figures of a report with their captions, each from the results of a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from matplotlib.figure import Figure

from results.analysis.chance import mean_chance
from results.analysis.figure_data.curves import arm_curves
from results.analysis.figure_data.factor_grid import factor_grids
from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.figures.arms import MOST_ARMS, CurveAxis, curve_figure, ranked_figure
from results.figures.heat_map import factor_figure
from results.figures.tasks import panels_fit, task_figure
from results.figures.tradeoff import LARGEST_KEY, tradeoff_figure
from results.plain_text import nearest
from results.report.agreement_section import agreement_report, captioned_agreement
from results.report.analyses.figures import importance_drawn, performance_drawn, storage_drawn
from results.report.analyses.network_figures import examples_drawn, modulation_drawn
from results.report.analyses.task_figures import gains_drawn, task_map_drawn
from results.report.captions.of_study import captioned, captions_of
from results.tables.metrics import metric_label

_TEST_ACCURACY = "triplet accuracy on test images"


def report_figure(name: str, results: Results) -> Figure:
    """Draw a figure of the report.

    Args:
        name: ``tradeoff`` (accuracy against added parameters), ``arms`` (the arms ranked), ``tasks`` (accuracy by
            task), ``gains`` (over separate networks, by task), ``task_map`` (every arm on every task), ``factors``
            (accuracy by placement, initialization and grouping), ``curves`` (training of every arm), ``importance``
            (what matters), ``performance`` (profiles and probability of improvement), ``storage`` (accuracy against
            bytes), ``agreement`` (cosines of the tasks' gradients, where ``agreement.every_epochs`` was set),
            ``modulation`` (vectors and the tree of tasks) or ``examples`` (what a good and a bad arm retrieve).
        results: The study; ``modulation`` and ``examples`` need its ``networks``, ``curves`` and ``agreement`` its
            curves.

    Raises:
        ValueError: There is no such figure, or the results hold nothing to draw in it yet.
    """
    if name not in _FIGURES:
        raise ValueError(f"no figure {name!r}{nearest(name, _FIGURES)}")
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


def _tradeoff(results: Results) -> Figure:
    numbered = (
        " Numbered by accuracy: the front, then the most accurate arms." if len(results.points) > LARGEST_KEY else ""
    )
    caption = captioned(
        results,
        "Test triplet accuracy against added parameters",
        captions_of(results)["tradeoff"],
        extra="Arms of nearly equal cost are drawn side by side; the grey band at the left is zero throughout."
        + numbered,
    )
    return tradeoff_figure(results.points, caption, f"{_TEST_ACCURACY}, mean over tasks", results.front.band)


def _best_of(arms: int) -> str:
    return f"The best {MOST_ARMS} of {arms} arms." if arms > MOST_ARMS else ""


def _arms(results: Results) -> Figure:
    ranked = ranked_arms(results.summary)
    basis = captions_of(results)["arms"]
    caption = captioned(results, "Arms by test triplet accuracy", basis, extra=_best_of(len(ranked)))
    equals = frozenset(results.best.tied) if results.best else frozenset()
    return ranked_figure(ranked, equals, results.chance, caption)


def _tasks(results: Results) -> Figure:
    basis = captions_of(results)["tasks"]
    extra = "Dotted line: shared; dashed line: separate; orange line: chance."
    if not panels_fit(results.tasks["task"].nunique(), results.tasks["arm"].nunique()):
        basis = replace(basis, interval="no interval: means over seeds", reading="one scale for all tasks")
        extra = ""
    return task_figure(
        results.tasks, captioned(results, "Test triplet accuracy by task", basis, extra=extra), _TEST_ACCURACY
    )


def _factors(results: Results) -> Figure | None:
    grids = factor_grids(results.summary)
    if not grids:
        return None
    title = "Test triplet accuracy by placement, initialization and grouping"
    return factor_figure(grids, captioned(results, title, captions_of(results)["factors"]), _TEST_ACCURACY)


def _curves(results: Results) -> Figure | None:
    if results.curves is None:
        return None
    ranked, metric = ranked_arms(results.summary)["arm"], results.confirmed.rule.metric
    found = arm_curves(results.curves, results.confirmed.trials, f"validation/{metric}")
    if found.empty:
        return None
    order = {arm: place for place, arm in enumerate(ranked)}
    found = found.sort_values("arm", key=lambda arms: arms.map(order), kind="stable")
    extra = f"Grey: the other arms; orange: chance. {_best_of(len(order))}"
    title = f"Validation {metric_label(metric)} by epoch"
    axis = CurveAxis(f"{metric_label(metric)} on validation images", mean_chance(results.confirmed, metric))
    return curve_figure(found, axis, captioned(results, title, captions_of(results)["curves"], extra=extra))


def _agreement(results: Results) -> Figure | None:
    found = results.agreement
    return captioned_agreement(agreement_report(found), results) if found else None


class _Figure(NamedTuple):
    """How a figure is drawn, and why it may be lacking."""

    draw: Callable[[Results], Figure | None]
    lacking: str = "no confirm trial has been completed"


_FIGURES: dict[str, _Figure] = {
    "tradeoff": _Figure(_tradeoff),
    "arms": _Figure(_arms),
    "tasks": _Figure(_tasks),
    "gains": _Figure(gains_drawn, "there are no separate networks with confirm results"),
    "task_map": _Figure(task_map_drawn),
    "factors": _Figure(_factors, "fewer than two of placement, initialization and grouping differ between arms"),
    "curves": _Figure(_curves, "there are no curves of confirm trials on validation images"),
    "importance": _Figure(importance_drawn, "there are fewer than 20 tune trials, and no factor differs between arms"),
    "performance": _Figure(performance_drawn, "fewer than two arms have confirm results"),
    "storage": _Figure(storage_drawn, "the tables do not say what the arms take to store"),
    "agreement": _Figure(
        _agreement,
        "gradients were not measured (agreement.every_epochs), or no arm can be compared with shared",
    ),
    "modulation": _Figure(modulation_drawn, "no confirm trial has its weights here and modulation made of vectors"),
    "examples": _Figure(examples_drawn, "weights or decoded images are not here, or the images may not be shown"),
}

FIGURES = tuple(_FIGURES)
"""Every figure by name."""

OF_NETWORKS = ("modulation", "examples")
"""Those that are drawn from weights and images, which are not in the tables."""
