"""Wording of numbers and comparisons, shared by the terminal and the report."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a plan is worded without pandas, which takes half a second to load
    import pandas as pd

    from results.analysis.inference.verdicts import Verdict

ABSENT = "-"
"""Shown for a number that does not exist, such as an interval over one seed."""


def share(value: float | None) -> str:
    """Return a share with three decimals."""
    return ABSENT if _absent(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return a share in percent, with enough digits to distinguish it from zero."""
    if value is None or _absent(value):
        return ABSENT
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.2g} %"


def count(value: float | None) -> str:
    """Return a whole number with thousands separators."""
    return ABSENT if value is None or _absent(value) else f"{round(value):,}"


def size(value: float | None) -> str:
    """Return bytes in decimal units (1 MB = 1,000,000 bytes), from 1,000 EB on as a power of ten."""
    if value is None or _absent(value):
        return ABSENT
    if value >= 1e21:
        return f"{value:.2e} B"
    for unit, factor in (("EB", 1e18), ("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def number(value: float | None) -> str:
    """Return a setting with four significant digits."""
    return ABSENT if _absent(value) else f"{value:.4g}"


def estimate(mean: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Return ``mean [low, high]``; without bounds ``mean [-]``, without a mean ``-``."""
    if _absent(mean):
        return ABSENT
    form = "+.3f" if signed else ".3f"
    bounds = ABSENT if _absent(low) or _absent(high) else f"{low:{form}}, {high:{form}}"
    return f"{mean:{form}} [{bounds}]"


def reading(found: Verdict) -> str:
    """Return the statement that the seeds support about two arms."""
    arm, reference = found.ours, found.theirs
    mean, low, high = found.difference.mean, found.difference.low, found.difference.high
    if low is None or high is None:
        return f"{arm} differs from {reference} by {mean:+.3f} over one common seed: no interval, so no conclusion"
    if found.better:
        return f"{arm} beats {reference} by {mean:.3f} [{low:.3f}, {high:.3f}]"
    if found.worse:
        return f"{arm} stays below {reference} by {-mean:.3f} [{-high:.3f}, {-low:.3f}]"
    alone = f"; zero lies outside, but not after the correction for {found.pairs:,} pairs" if found.only_alone else ""
    return f"{arm} and {reference} cannot be told apart: {mean:+.3f} [{low:+.3f}, {high:+.3f}]{alone}"


def p_value(value: float | None) -> str:
    """Return a p value with two significant digits."""
    return ABSENT if _absent(value) else f"{value:.2g}"


def with_chance(title: str, chance: float | None) -> str:
    """Return the title of a column of a metric, with the metric's chance level if it is known."""
    return title if chance is None or _absent(chance) else f"{title} (chance {share(chance)})"


def worst_title(chances: Mapping[str, float]) -> str:
    """Return the title of a column of worst tasks, with the chance level if it is the same for all of them."""
    return with_chance("worst task", _one_chance(chances))


def worst_cell(value: float | None, arm_id: str, chances: Mapping[str, float]) -> str:
    """Return the mean on an arm's worst task, with the chance level where these differ between arms."""
    text = share(value)
    return text if text == ABSENT else with_chance(text, own_chance(arm_id, chances))


def own_chance(arm_id: str, chances: Mapping[str, float]) -> float | None:
    """Return the chance level of an arm's worst task, if these differ between arms."""
    return chances.get(arm_id) if _one_chance(chances) is None else None


def _one_chance(chances: Mapping[str, float]) -> float | None:
    different = set(chances.values())  # a few, whereas this is asked for every arm
    return next(iter(chances.values())) if len({share(chance) for chance in different}) == 1 else None


def format_summary(
    summary: pd.DataFrame, chance: float | None = None, worst: Mapping[str, float] | None = None
) -> list[dict[str, str]]:
    """Return the ``summary`` table for display: one dict per arm, with column titles as keys and plain text as values.

    All rows have the same keys in the same order. Print ``summary_note`` with it.

    Args:
        summary: the table.
        chance: mean chance level of triplet accuracy, shown in the title of its column.
        worst: chance level of the worst task by ``arm_id``.
    """
    chances = worst or {}
    has_shared = bool((summary["arm"] == "shared").any())
    rows = []
    for row in summary.to_dict("records"):
        line = {
            "arm": str(row["arm"]),
            with_chance("triplet accuracy", chance): columns_estimate(row, "triplet_accuracy"),
            worst_title(chances): worst_cell(row["triplet_accuracy_worst_task_mean"], row["arm_id"], chances),
            "added parameters": count(row["added_parameters"]),
            "added": percent(row["added_share"]),
            "size fp32": size(row["bytes_fp32"]),
            "on front": percent(row["on_front_probability"]),
        }
        if has_shared:
            line["against shared"] = estimate(
                row["delta_shared_mean"], row["delta_shared_low"], row["delta_shared_high"], signed=True
            )
        rows.append(line)
    return rows


def columns_estimate(row: dict[Any, Any], name: str) -> str:
    """Return the estimate in columns ``<name>_mean``, ``<name>_low`` and ``<name>_high`` of a row."""
    return estimate(row[f"{name}_mean"], row[f"{name}_low"], row[f"{name}_high"])


def summary_note(summary: pd.DataFrame, shown: Container[str] | None = None) -> str:
    """Return the notes that make the table of ``format_summary`` self-explanatory.

    Args:
        summary: the table.
        shown: the visible columns; None means all.
    """
    if summary.empty:
        return "The study has no arms."
    of_columns = {
        "against shared": "Against shared: paired by seed, with its 95 % Student t interval.",
        "on front": "On front: share of joint Student t draws over seeds in which no arm that adds no more is better.",
    }
    sentences = [
        f"Test split, seeds {seeds_of(summary)}.",
        "Accuracy: mean over tasks, with its 95 % Student t interval over seeds.",
        *(sentence for column, sentence in of_columns.items() if shown is None or column in shown),
        f"Selection: {summary['selection_rule'].iloc[0]}.",
    ]
    return " ".join(sentences)


def seeds_of(summary: pd.DataFrame) -> str:
    """Return the seeds of all arms in order; ``none`` without confirm results."""
    seeds = {int(seed) for text in summary["seeds"] for seed in str(text).split(",") if seed}
    return ", ".join(map(str, sorted(seeds))) or "none"


STATES = ("completed", "pruned", "failed", "running", "waiting")
"""States of trials, in the order in which they are counted."""


def listed(numbers: Iterable[Any]) -> str:
    """Return different whole numbers in order, ``1, 2, 3``; ``none`` without any."""
    return ", ".join(map(str, sorted({int(number) for number in numbers}))) or "none"


def span(numbers: Iterable[Any]) -> str:
    """Return ``4`` or ``3 to 4``; ``0`` without any."""
    values = sorted({int(number) for number in numbers})
    return "0" if not values else str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def settings(value: Any) -> str:
    """Return nested settings on one line: ``kind generated, train_images 1200``; empty and unset ones are omitted."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {settings(entry)}" for key, entry in value.items() if entry not in ({}, [], None))
    plain = isinstance(value, str) and any(character.isalnum() for character in value)
    return value if plain else json.dumps(value)


def _absent(value: Any) -> bool:
    if value is None or isinstance(value, float):
        return value is None or math.isnan(value)
    return type(value).__name__ == "NAType"  # pandas' missing number, told without loading pandas
