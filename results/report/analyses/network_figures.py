"""The figures of what trained networks show, with their captions; None where weights or images are not at hand."""

from __future__ import annotations

from matplotlib.figure import Figure

from results.analysis.figure_data.networks import arm_vectors
from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.reported import Results
from results.figures.networks.examples import MOST_QUERIES, example_figure
from results.figures.networks.modulation import modulation_figure
from results.report.captions.of_study import captioned, captions_of, modulation_basis


def modulation_drawn(results: Results) -> Figure | None:
    """Draw the modulation vectors of the best arm that has some."""
    for arm in ranked_arms(results.summary).to_dict("records"):
        found = arm_vectors(results.networks, str(arm["arm_id"]))
        if found is None:
            continue
        extra = ""
        if found.tree is None:
            extra = "No tree: the factors do not differ between tasks, or there are fewer than three tasks."
        elif found.correlation is not None:
            extra = f"Spearman's rho of similarity and association over pairs of tasks: {found.correlation:+.2f}."
        title = f"Modulation vectors of {arm['arm']}"
        caption = captioned(results, title, modulation_basis(results, found), extra=extra)
        return modulation_figure(results.task_names, found, results.networks.labels, caption)
    return None


def examples_drawn(results: Results) -> Figure | None:
    """Draw what a good and a bad arm retrieve."""
    found = results.networks.examples
    if not found.queries:
        return None
    cut = f" The first {MOST_QUERIES} of {len(found.queries)} tasks." if len(found.queries) > MOST_QUERIES else ""
    caption = captioned(results, "Retrieval examples", captions_of(results)["examples"], extra=f"{found.note}.{cut}")
    return example_figure(found, caption)
