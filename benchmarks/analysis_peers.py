"""Importances, fronts and bootstraps of a report beside Optuna's, SciPy's and plain Python's, with equal numbers.

    python -m benchmarks.analysis_peers [--repeats 5]

Every line is a peer's seconds divided by ours, in turn (``benchmarks.measure``), after both gave the same numbers.

* Importances of six factors and two nuisance values over 240 tune trials, for three responses, with jackknife
  intervals. Peer: ``optuna.importance.get_param_importances`` with ``PedAnovaImportanceEvaluator``, called as its
  documentation shows for every response and every group left out. Ours calls the same evaluator.
* The front of 1,000 arms. Peers: ``Study.best_trials`` of Optuna, and plain Python that compares each with each.
* The probability of 30 arms to be on the front: 9,999 draws. Peer: plain Python.
* 100 bootstrap intervals of a mean over 5 seeds. Peers: ``scipy.stats.bootstrap``, and plain Python.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Iterator
from statistics import fmean

import numpy as np
import optuna
import pandas as pd
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from scipy import stats

from benchmarks.measure import interleave
from results.analysis.importance.design import FACTOR_COLUMNS, NUISANCE_COLUMNS, RESPONSES
from results.analysis.importance.main_effects import main_effects
from results.analysis.importance.ped_anova import TOP
from results.analysis.statistics import BOOTSTRAP_SEED, RESAMPLES, bootstrap_mean, student_mean
from results.analysis.tradeoff import pareto_front

Comparison = tuple[str, Callable[[], object], Callable[[], object]]
"""What is compared, ours, and the peer's."""

GROUPS = 10
NUISANCE = ("learning_rate", "margin")


def tuned(trials: int = 240) -> pd.DataFrame:
    """Return a design table of tune trials whose responses depend on some columns."""
    draws = np.random.default_rng(1)
    design = pd.DataFrame({name: draws.choice(["a", "b", "c"], trials) for name in FACTOR_COLUMNS})
    design = design.assign(**dict.fromkeys(NUISANCE_COLUMNS, 1.0))
    design = design.assign(**{name: draws.choice([0.1, 0.2, 0.3, 0.4], trials) for name in NUISANCE})
    effect = (design["placement"] == "a") + 2.0 * design["learning_rate"]
    noisy = {name: effect + draws.normal(size=trials) for name in ("accuracy", "worst task")}
    return design.assign(**noisy, bytes=draws.permutation(trials).astype(float), arm_id="a")


def of_optuna(design: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float]]:
    """Return importance and standard error of the jackknife, by response and name, by Optuna's public functions."""
    names = [*FACTOR_COLUMNS, *NUISANCE]
    group = np.arange(len(design)) % GROUPS
    found = {}
    for response, sign in RESPONSES.items():
        whole, *left_out = (
            _shares(design[group != out], names, sign * design[response][group != out]) for out in (-1, *range(GROUPS))
        )
        for name in names:
            values = np.array([own[name] for own in left_out])
            error = np.sqrt((GROUPS - 1) / GROUPS * ((values - values.mean()) ** 2).sum())
            found[response, name] = (whole[name], float(error))
    return found


def _shares(rows: pd.DataFrame, names: list[str], gain: pd.Series) -> dict[str, float]:
    study = optuna.create_study(direction="maximize")
    levels = {name: optuna.distributions.CategoricalDistribution(sorted(set(rows[name]))) for name in names}
    study.add_trials(
        [
            optuna.trial.create_trial(params={name: row[name] for name in names}, distributions=levels, value=value)
            for row, value in zip(rows.to_dict("records"), gain, strict=True)
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials at a level
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=TOP), params=names)


def _check_importances(design: pd.DataFrame) -> None:
    peer = of_optuna(design)
    half = stats.t.ppf(0.975, GROUPS - 1)
    rows = main_effects(design)
    np.testing.assert_equal(len(rows), len(peer))
    for row in rows.itertuples():
        share, error = peer[row.response, row.name]
        bounds = (share, max(0.0, share - half * error), min(1.0, share + half * error))
        np.testing.assert_allclose((row.importance, row.low, row.high), bounds, atol=1e-9)


def importances() -> Iterator[Comparison]:
    """Importances with intervals, against Optuna's."""
    design = tuned()
    _check_importances(design)
    yield "importances with intervals, optuna", lambda: main_effects(design), lambda: of_optuna(design)


def plain_front(accuracy: list[float], cost: list[float]) -> list[bool]:
    """Return which arms are on the front, each compared with each."""
    arms = list(zip(accuracy, cost, strict=True))
    return [not any(a >= own and c <= price and (a > own or c < price) for a, c in arms) for own, price in arms]


def fronts() -> Iterator[Comparison]:
    """One front of many arms, and the probability to be on it."""
    draws = np.random.default_rng(2)
    cost = draws.integers(0, 500, 1000).astype(float)
    accuracy = draws.normal(size=1000) + cost / 250
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials(
        [optuna.trial.create_trial(values=list(pair)) for pair in zip(accuracy.tolist(), cost.tolist(), strict=True)]
    )
    front = pareto_front(accuracy, cost)
    np.testing.assert_array_equal(sorted(trial.number for trial in study.best_trials), np.flatnonzero(front))
    np.testing.assert_array_equal(plain_front(accuracy.tolist(), cost.tolist()), front)
    yield "front of 1,000 arms, optuna", lambda: pareto_front(accuracy, cost), lambda: study.best_trials
    lists = accuracy.tolist(), cost.tolist()
    yield "front of 1,000 arms, plain Python", lambda: pareto_front(accuracy, cost), lambda: plain_front(*lists)
    means, price = accuracy[:30] + draws.normal(size=(RESAMPLES, 30)), cost[:30]

    def plain() -> list[float]:
        rows = [plain_front(own, price.tolist()) for own in means.tolist()]
        return [fmean(column) for column in zip(*rows, strict=True)]

    np.testing.assert_allclose(pareto_front(means, price).mean(axis=0), plain(), atol=1e-12)
    yield "probability on the front, plain Python", lambda: pareto_front(means, price).mean(axis=0), plain


def bootstraps() -> Iterator[Comparison]:
    """Percentile bootstraps of a mean over seeds, and Student's t."""
    arms = np.random.default_rng(3).normal(size=(100, 5))

    def ours() -> list[tuple[float | None, float | None]]:
        return [(found.low, found.high) for found in map(bootstrap_mean, arms)]

    def scipys() -> list[tuple[float, float]]:
        found = []
        for own in arms:
            rng = np.random.default_rng(BOOTSTRAP_SEED)
            drawn = stats.bootstrap((own,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng)
            found.append(tuple(drawn.confidence_interval))
        return found

    picks = np.random.default_rng(BOOTSTRAP_SEED).integers(5, size=(RESAMPLES, 5)).tolist()

    def plain() -> list[tuple[float, float]]:
        found = []
        for own in arms.tolist():
            means = sorted(sum(own[seed] for seed in drawn) / 5 for drawn in picks)
            found.append((_quantile(means, 0.025), _quantile(means, 0.975)))
        return found

    np.testing.assert_allclose(ours(), scipys(), atol=1e-12)
    np.testing.assert_allclose(ours(), plain(), atol=1e-12)
    yield "100 bootstraps of a mean, scipy", ours, scipys
    yield "100 bootstraps of a mean, plain Python", ours, plain

    def students() -> list[tuple[float | None, float | None]]:
        return [(found.low, found.high) for found in map(student_mean, arms)]

    def scipy_students() -> list[tuple[float, float]]:
        return [tuple(stats.ttest_1samp(own, 0).confidence_interval(0.95)) for own in arms]

    np.testing.assert_allclose(students(), scipy_students(), atol=1e-12)
    yield "100 Student t intervals, scipy", students, scipy_students


def _quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of ascending values, between neighbours by their distance, as NumPy's."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def main() -> None:
    """Check that all sides agree, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for comparisons in (importances(), fronts(), bootstraps()):
        for name, ours, peer in comparisons:
            print(f"{name}: {interleave(ours, peer, repeats)}", flush=True)


if __name__ == "__main__":
    main()
