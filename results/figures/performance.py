"""Performance profiles, and the probability of improvement over one arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.figures.canvas import BEATEN_COLOR, FRONT_COLOR, Caption, panel_figure, plain_axes
from results.figures.drawing import drawing, figure_names

MOST_NAMED = 8
"""Largest number of profiles in colour; the others are grey."""

MOST_RANKED = 40
"""Largest number of arms beside the profiles."""


@dataclass(frozen=True)
class Performance:
    """What is drawn.

    Attributes:
        profiles: As ``performance_profiles`` returns it.
        named: Arms in colour, at most ``MOST_NAMED``.
        improvements: As ``improvements`` returns it, best first; empty without a reference arm.
        told: Arms that are told apart from the reference; they are filled.
        reference: Name of that arm.
    """

    profiles: pd.DataFrame
    named: Sequence[str]
    improvements: pd.DataFrame
    told: frozenset[str]
    reference: str


@drawing()
def performance_figure(found: Performance, caption: Caption) -> Figure:
    """Draw profiles with their bands, and probabilities of improvement with their intervals."""
    beside = not found.improvements.empty
    ranked = found.improvements.head(MOST_RANKED)
    figure = panel_figure(caption, 12.5 if beside else 8.0, max(3.8, 0.8 + 0.2 * len(ranked)))
    panels = figure.subplots(1, 2 if beside else 1, squeeze=False)[0]
    _draw_profiles(panels[0], found)
    if beside:
        _draw_improvements(panels[1], ranked, found)
    figure.legend(loc="outside lower left", ncol=4, fontsize=8, frameon=False)
    return figure


def _draw_profiles(panel: Axes, found: Performance) -> None:
    colors = iter(mpl.colormaps["tab10"].colors)  # type: ignore[attr-defined]
    names = figure_names(found.named, 30)
    for arm, own in found.profiles.groupby("arm", sort=False):
        color, label = (next(colors), names[str(arm)]) if arm in names else ("#d4d4d4", None)
        x = own["threshold"].to_numpy()
        panel.plot(x, own["share"].to_numpy(), color=color, linewidth=1.6 if label else 0.7, zorder=2 + bool(label))
        if label:
            panel.fill_between(x, own["low"].to_numpy(), own["high"].to_numpy(), color=color, alpha=0.13, linewidth=0)
            panel.lines[-1].set_label(f"\N{ZERO WIDTH SPACE}{label}")  # a label that begins with _ would be hidden
    panel.set_xlabel("triplet accuracy on test images", fontsize=9)
    panel.set_ylabel("share of runs (seed, task) above it", fontsize=9)
    panel.set_ylim(-0.02, 1.02)
    panel.grid(color="#e6e6e6", linewidth=0.6)
    plain_axes(panel)


def _draw_improvements(panel: Axes, ranked: pd.DataFrame, found: Performance) -> None:
    for place, row in enumerate(ranked.to_dict("records")):
        told = row["arm"] in found.told
        color = FRONT_COLOR if told else BEATEN_COLOR
        panel.hlines(place, row["low"], row["high"], color=color, linewidth=1.6)
        panel.plot([row["mean"]], [place], "o", color=color, markerfacecolor=color if told else "white", markersize=5)
    panel.axvline(0.5, color="#999999", linewidth=0.9, zorder=0)
    panel.set_yticks(range(len(ranked)), list(figure_names(ranked["arm"], 36).values()))
    panel.set_ylim(len(ranked) - 0.5, -0.5)
    panel.set_xlim(-0.02, 1.02)
    (name,) = figure_names([found.reference], 24).values()
    panel.set_xlabel(f"probability that a run beats one of {name}, on a task drawn at random", fontsize=9)
    panel.tick_params(length=0, axis="y")
    panel.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    plain_axes(panel)
