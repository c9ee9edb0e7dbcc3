"""Main effects on tuning results: Optuna's PED-ANOVA on our table, with intervals."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from results.analysis.importance.design import FACTOR_COLUMNS, NUISANCE_COLUMNS, RESPONSES, varying
from results.analysis.statistics import Floats, student_quantile

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

TOP = 0.25
"""PED-ANOVA asks what the trials in this best share have in common."""

FEWEST_TRIALS = 20
"""With fewer trials, hardly any of them is in the best quarter."""

_GROUPS = 10
_QUARTERS = 4
_COLUMNS = ["response", "name", "kind", "importance", "low", "high", "trials"]


def main_effects(design: pd.DataFrame) -> pd.DataFrame:
    """Return how much each factor and nuisance value decides whether a tune trial is among the best quarter.

    Nuisance values with many values enter by quarters.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, arXiv 2304.10255) on completed tune trials; importances of a
    response sum to 1. Lower bytes are better. Intervals are Student t of the delete-a-group jackknife over trials, each
    group holding some trials of every arm, within 0 and 1: rough with few trials.

    Args:
        design: As ``tune_design`` returns it.

    Returns:
        Columns ``response`` (accuracy, worst task, bytes), ``name`` (of the factor or nuisance value), ``kind``
        (factor or nuisance), ``importance``, ``low``, ``high`` and ``trials``, by descending importance within a
        response. No rows for a response with fewer than 20 trials, or one value; constant factors are absent.
    """
    names = varying(design, (*FACTOR_COLUMNS, *NUISANCE_COLUMNS))
    known = {
        response: int(design[response].notna().sum()) for response in RESPONSES if len(design[response].unique()) > 1
    }
    responses = [response for response, trials in known.items() if trials >= FEWEST_TRIALS]
    if not names or not responses:
        return pd.DataFrame(columns=_COLUMNS)
    whole, low, high = _with_bounds(design, names, responses)
    kinds = ["factor" if name in FACTOR_COLUMNS else "nuisance" for name in names]
    frames = []
    for i, response in enumerate(responses):
        columns = {"importance": whole[i], "low": low[i], "high": high[i], "trials": known[response]}
        frame = pd.DataFrame({"response": response, "name": names, "kind": kinds, **columns})
        frames.append(frame.sort_values("importance", ascending=False, kind="stable"))
    return pd.concat(frames, ignore_index=True)


def _with_bounds(design: pd.DataFrame, names: tuple[str, ...], responses: list[str]) -> tuple[Floats, Floats, Floats]:
    """Return importances and their bounds, each of shape (responses, names)."""
    trials = np.array(_frozen(design, names), dtype=object)
    gain = np.array([RESPONSES[name] * design[name].to_numpy(dtype=np.float64) for name in responses])
    group = np.arange(len(design)) % _GROUPS  # rows are ordered by arm, so that a group has trials of every arm
    whole = _ped_anova(trials, names, gain)
    left_out = np.array([_ped_anova(trials[group != out], names, gain[:, group != out]) for out in range(_GROUPS)])
    error = np.sqrt((_GROUPS - 1) / _GROUPS * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    half = student_quantile(_GROUPS - 1) * error
    return whole, (whole - half).clip(0, 1), (whole + half).clip(0, 1)


def _frozen(rows: pd.DataFrame, names: tuple[str, ...]) -> list[Any]:
    """Return the rows as Optuna's trials; their value is never read."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import create_trial

    columns = {name: _levels(rows[name]) for name in names}
    space: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(sorted(set(levels))) for name, levels in columns.items()
    }
    return [
        create_trial(params={name: columns[name][i] for name in names}, distributions=space, value=0.0)
        for i in range(len(rows))
    ]


def _levels(column: pd.Series[Any]) -> list[Any]:
    """Return the levels of a factor, and of a number with many values the quarter of the trials that it is in.

    Over a few dozen trials, Optuna's density of a number has a peak at each of them, which looks like importance.
    """
    found: list[Any] = column.tolist()
    if column.name in FACTOR_COLUMNS or len(set(found)) <= _QUARTERS:
        return found
    edges = np.quantile(column.astype(float), [0.25, 0.5, 0.75])
    return [int(quarter) for quarter in np.searchsorted(edges, column.astype(float))]


def _ped_anova(trials: NDArray[np.object_], names: tuple[str, ...], gain: Floats) -> Floats:
    """Return importances that sum to 1, or zeros if no name matters.

    Args:
        trials: Shape (trials,), Optuna's.
        names: What they differ in.
        gain: Shape (responses, trials), higher is better; NaN where unknown.

    Returns:
        Shape (responses, names).
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    optuna.logging.set_verbosity(verbosity)
    study.add_trials(trials)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
    importances = np.empty((len(gain), len(names)))
    for i, own in enumerate(gain):
        losses: list[float] = (-own).tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it reminds of the sign of a target, and of few trials at a level
            found = evaluator.evaluate(study, list(names), target=partial(_loss, losses))
        importances[i] = [found[name] for name in names]
    total = importances.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(importances, total, out=np.zeros_like(importances), where=total > 0))


def _loss(losses: list[float], trial: FrozenTrial) -> float:
    return losses[trial.number]
