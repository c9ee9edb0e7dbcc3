"""Samples the nuisance values of one arm round by round: quasi-random first, then Optuna's TPE on all earlier results.

For fixed releases of Optuna and SciPy, both samplers are functions of their arguments alone; ``drawing`` records their
results. Values are rounded to six significant digits, so that the last bits of a library's arithmetic do not determine
which trials a study contains.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import qmc

from search_spaces import Choice, FloatRange, NuisanceRange
from study.plan.arm_config import Nuisance
from study.schedule.rounds import Observation
from study.schedule.sampling.told import ToldTrials, study_told

Ranges = Mapping[str, NuisanceRange]

ATTEMPTS_PER_POINT = 16
"""Number of draws per point of a round; if too few of them are distinct, the round is left smaller."""


@dataclass(frozen=True)
class Round:
    """The round to sample: its arm, number, size and seed, and the values that have no effect in the arm (``idle``)."""

    arm_id: str
    number: int
    size: int
    sampler_seed: int
    idle: frozenset[str] = frozenset()


ToldPoints = ToldTrials[Observation]
"""The trials of an arm that its sampler was told for a round, and is told for the next ones."""


def told_points(ranges: Ranges, idle: frozenset[str]) -> ToldPoints:
    """Return those of an arm before its first round."""
    distributions = _distributions({name: values for name, values in ranges.items() if name not in idle})
    return ToldTrials(partial(_told, distributions=distributions))


def sample_round(
    ranges: Ranges, wanted: Round, earlier: Sequence[Observation], told: ToldPoints | None = None
) -> tuple[Nuisance, ...]:
    """Return the distinct points of a round; fewer than its size if too few distinct points were drawn.

    The first round is the same for every arm, so that arms are first compared at paired values. Values without effect
    in an arm are therefore drawn too, but excluded from its points; otherwise the same trial would occur under several
    values.

    Args:
        ranges: nuisance ranges by name; without any, the only point is the empty one.
        wanted: the round to sample.
        earlier: every trial of the earlier rounds, in trial order.
        told: what of them was told for earlier rounds of the arm, which spares time and changes no values.
    """
    told = told or told_points(ranges, wanted.idle)
    acting = {name: values for name, values in ranges.items() if name not in wanted.idle}
    if not acting:
        return ({},) if wanted.number == 0 else ()
    drawn = _quasi_random(ranges, wanted) if wanted.number == 0 else _suggested(acting, wanted, earlier, told)
    seen = {tuple(observation.nuisance.items()) for observation in earlier}
    chosen: list[Nuisance] = []
    for values in drawn:
        point = {name: value for name, value in values.items() if name in acting}
        if tuple(point.items()) not in seen:
            seen.add(tuple(point.items()))
            chosen.append(point)
        if len(chosen) == wanted.size:
            break
    return tuple(chosen)


def _quasi_random(ranges: Ranges, wanted: Round) -> Iterator[Nuisance]:
    """Yield points of a scrambled Sobol sequence (Sobol 1967; scrambling: Owen 1998)."""
    engine = qmc.Sobol(len(ranges), scramble=True, rng=np.random.default_rng(wanted.sampler_seed))
    draws = 2 ** math.ceil(math.log2(wanted.size * ATTEMPTS_PER_POINT))  # powers of two keep the sequence balanced
    for quantiles in engine.random(draws):
        yield {
            name: rounded(ranges[name], ranges[name].at(float(quantile)))
            for name, quantile in zip(sorted(ranges), quantiles, strict=True)
        }


def _suggested(ranges: Ranges, wanted: Round, earlier: Sequence[Observation], told: ToldPoints) -> Iterator[Nuisance]:
    """Yield points suggested by Optuna's TPE (Bergstra et al. 2011), given the earlier trials in trial order.

    The quasi-random round serves as the start-up phase. A diverged trial is passed as pruned before its first report,
    which TPE ranks below all others; passed as ``FAIL``, it would be ignored and its neighborhood proposed again.
    """
    distributions = _distributions(ranges)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=_derived_seed(wanted), n_startup_trials=1)
    told.take(earlier)
    study = study_told(told.trials, ("maximize",), sampler)
    for _ in range(wanted.size * ATTEMPTS_PER_POINT):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = study.ask(distributions)
        yield {name: rounded(ranges[name], trial.params[name]) for name in sorted(ranges)}


def _told(observation: Observation, distributions: dict[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    completed = observation.value is not None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if completed else optuna.trial.TrialState.PRUNED,
        params=dict(observation.nuisance),
        distributions=distributions,
        value=observation.value,
        intermediate_values=dict(observation.rungs),
    )


def _distributions(ranges: Ranges) -> dict[str, BaseDistribution]:
    return {name: distribution_of(ranges[name]) for name in sorted(ranges)}


def distribution_of(values: NuisanceRange) -> BaseDistribution:
    """Return Optuna's distribution over a range."""
    if isinstance(values, Choice):
        return CategoricalDistribution(values.values)
    if isinstance(values, FloatRange):
        return FloatDistribution(values.low, values.high, log=values.log)
    return IntDistribution(values.low, values.high, log=values.log)


def rounded(values: NuisanceRange, value: Any) -> float | int:
    """Return a value of a range to six significant digits."""
    if not isinstance(values, FloatRange):
        return value  # type: ignore[no-any-return]
    return min(max(float(f"{value:.6g}"), values.low), values.high)


def _derived_seed(wanted: Round) -> int:
    text = f"{wanted.sampler_seed}/{wanted.arm_id}/{wanted.number}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
