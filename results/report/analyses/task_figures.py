"""The figures of gains over separate networks, with their captions."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from results.analysis.figure_data.ranked_arms import ranked_arms
from results.analysis.inference.gain import gains
from results.analysis.reported import Results
from results.analysis.summary import REFERENCE_ARMS
from results.figures.gains import MOST_ARMS, MOST_ROWS, gain_figure, task_map
from results.report.captions.of_study import captioned, captions_of

_SHARED, _SEPARATE = REFERENCE_ARMS


def _gains(results: Results) -> pd.DataFrame:
    """Return gains by arm and task, the best arms first; empty without separate networks."""
    if _SEPARATE not in results.scores.arms:
        return pd.DataFrame(columns=["arm"])
    found = gains(results.scores, _SEPARATE)
    order = {arm: place for place, arm in enumerate(ranked_arms(results.summary)["arm"])}
    return found.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)


def gains_drawn(results: Results) -> Figure | None:
    """Draw the gains of the best arms over separate networks, and of the shared network."""
    found = _gains(results)
    if found.empty:
        return None
    ranked = list(dict.fromkeys(found["arm"]))
    shown = [arm for arm in ranked if arm != _SHARED][: MOST_ARMS - 1] + [arm for arm in ranked if arm == _SHARED]
    own = pd.concat([found[found["arm"] == arm] for arm in shown])
    cut = (
        f"The best {len(shown) - (_SHARED in shown)} of {len(ranked)} arms, and the shared network."
        if len(shown) < len(ranked)
        else ""
    )
    title = "Gain over separate networks by task"
    return gain_figure(own, captioned(results, title, captions_of(results)["gains"], extra=cut))


def task_map_drawn(results: Results) -> Figure | None:
    """Draw every arm on every task: the gain over separate networks where there are some, else accuracy."""
    found, name = _gains(results), "minus separate networks"
    around_zero = not found.empty
    if found.empty:
        found, name = results.tasks, "triplet accuracy on test images"
    arms = [arm for arm in ranked_arms(results.summary)["arm"] if (found["arm"] == arm).any()]
    means = found.pivot_table(index="arm", columns="task", values="mean", dropna=False).loc[
        arms, list(results.scores.tasks)
    ]
    cut = f"The best {MOST_ROWS} of {len(arms)} arms." if len(arms) > MOST_ROWS else ""
    caption = captioned(results, "Every arm on every task", captions_of(results)["task_map"], extra=cut)
    return task_map(means, caption, name, around_zero=around_zero)
