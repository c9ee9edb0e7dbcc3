"""Facts about where results come from, as far as the tables tell."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from results.page.model import Fact
from results.report.wording import STATES, count, listed, settings, size, span


def facts_of(trials: pd.DataFrame, seeds: str, rule: str) -> tuple[Fact, ...]:
    """Return data, seeds, selection, effort, cost and software of the trials.

    Args:
        trials: The ``trials`` table.
        seeds: Train seeds of the reported results.
        rule: The selection rule in one sentence.
    """
    if trials.empty:
        return (Fact("Trials", ("none was started",)),)
    tuned = trials[trials["stage"] == "tune"]
    config = json.loads(str(trials["config"].iloc[0]))
    source = config.get("data", {}).get("source", {})
    return (
        Fact("Data", (settings(source), f"fingerprint {', '.join(sorted(set(trials['data_fingerprint'])))}")),
        Fact("Selection", (rule,)),
        Fact(
            "Seeds",
            (
                f"train {seeds} in the reported results, {listed(tuned['train_seed'])} in tuning",
                f"data {listed(trials['data_seed'])}, sampler {listed(trials['sampler_seed'])}",
            ),
        ),
        Fact("Effort", tuple(_effort(trials))),
        Fact("Cost", (_cost(trials),)),
        Fact("Software", tuple(sorted({settings(json.loads(text)) for text in trials["software"]} - {""})) or ("-",)),
    )


def _effort(trials: pd.DataFrame) -> Iterable[str]:
    for stage, own in trials.groupby("stage", sort=False):
        each = span(own.groupby("arm_id").size())
        states = [f"{count(n)} {state}" for state in STATES if (n := int((own["state"] == state).sum()))]
        yield f"{stage}: {each} trials per arm; {', '.join(states)}; {count(own['epochs_run'].sum())} epochs"


def _cost(trials: pd.DataFrame) -> str:
    hours = float(trials["seconds"].sum()) / 3600
    text = f"{hours:.3g} hours of training, summed over trials"
    peak = trials["peak_memory_bytes"].max()
    return text if pd.isna(peak) else f"{text}; at most {size(float(peak))} of memory per trial"
