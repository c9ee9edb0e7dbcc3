"""What matters in a study: main effects on its tune trials, and the analysis of variance of its confirm trials."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from results.analysis.importance.design import confirm_design, tune_design
from results.analysis.importance.interactions import anova
from results.analysis.importance.main_effects import main_effects
from results.analysis.inference.scores import Scores
from results.analysis.selection import BestTrialPerArm

MOST_ARMS = 120
"""Largest number of arms in the analysis of variance: its least squares have up to a column for each."""


@dataclass(frozen=True)
class Importances:
    """What matters in a study.

    Attributes:
        main: As ``main_effects`` returns it; empty with too few tune trials.
        terms: As ``anova`` returns it; empty where no factor differs, or with more than ``MOST_ARMS`` arms.
        trials: Tune trials behind ``main``.
        runs: Confirm trials behind ``terms``.
        seeds: Their train seeds.
        too_many: Whether ``terms`` is empty since there are more than ``MOST_ARMS`` arms.
    """

    main: pd.DataFrame
    terms: pd.DataFrame
    trials: int
    runs: int
    seeds: tuple[int, ...]
    too_many: bool


def importances_of(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    rule: BestTrialPerArm,
    scores: Scores,
    summary: pd.DataFrame,
) -> Importances:
    """Return what matters in a study.

    Args:
        tables: ``trials``, ``task_metrics`` and ``storage``.
        rule: By which tune trials are selected.
        scores: The first metric of the confirm trials.
        summary: The ``summary`` table.
    """
    tuned, confirmed = tune_design(*tables, rule), confirm_design(scores, summary)
    too_many = confirmed["arm_id"].nunique() > MOST_ARMS
    return Importances(
        main_effects(tuned),
        anova(confirmed.head(0) if too_many else confirmed),
        len(tuned),
        len(confirmed),
        tuple(sorted(int(seed) for seed in confirmed["seed"].unique())),
        too_many,
    )
