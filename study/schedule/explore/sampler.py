"""Asks Optuna for the trials of a round: objective up, added parameters down, the budget as a constraint."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces import NuisanceRange
from study.definition.model import Sampler
from study.schedule.explore.genetic import NSGAII, NSGAIII, Parents
from study.schedule.explore.record import Choices, Outcome, Refused
from study.schedule.explore.warm_start import holds
from study.schedule.sampling.sampler import distribution_of, rounded
from study.schedule.sampling.told import ToldTrials, study_told

BUDGET = "budget"
"""Name of the constraint: at most 0 for what may be trained."""

_Source = tuple[Outcome | Refused, int]
"""What is told as one trial, and its generation."""


@dataclass(frozen=True)
class Earlier:
    """What a sampler is told before a round.

    Attributes:
        outcomes: of earlier rounds, their trials in order.
        refused: what was refused in them, by round.
        of_other_studies: outcomes of other studies, told first. For the genetic samplers, they are the generation
            before the first round, or part of it where they are too few to be one.
    """

    outcomes: Sequence[Outcome] = ()
    refused: Sequence[tuple[Refused, ...]] = ()
    of_other_studies: Sequence[Outcome] = ()


class Samplers:
    """The samplers of a study; what was told them in a process is kept, and changes nothing in what they propose.

    A generation of the genetic samplers (NSGA-II, Deb et al. 2002; NSGA-III, Deb and Jain 2014) is a round. In its
    first round every sampler draws at random. A trial without an objective is told as one of objective 0, the lowest
    that a metric can have, since a multi-objective study has no pruned trials.

    Args:
        genes: alternatives of each gene by name.
        ranges: nuisance ranges by name.
        size: trials in a whole round.
    """

    def __init__(self, genes: Mapping[str, tuple[str, ...]], ranges: Mapping[str, NuisanceRange], size: int) -> None:
        self._genes = genes
        self._ranges = ranges
        self._distributions: dict[str, BaseDistribution] = {
            **{name: CategoricalDistribution(alternatives) for name, alternatives in genes.items()},
            **{name: distribution_of(values) for name, values in ranges.items()},
        }
        self._size = size
        self._told = tuple(ToldTrials(self._made) for _ in fields(Earlier))
        self._parents: Parents = {}
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def asker(self, sampler: Sampler, seed: int, earlier: Earlier) -> Asker:
        """Return a sampler for one round; a function of these arguments for a fixed release.

        Args:
            sampler: its name in the study file.
            seed: of the study's sampler and the round; see ``derived_seed``.
            earlier: what it is told; ``random`` takes no results into account, and is told nothing.
        """
        if sampler != "random":
            self._take(earlier)
        asked = _sampler(sampler, seed, self._size, self._parents)
        trials = () if sampler == "random" else chain.from_iterable(told.trials for told in self._told)
        return Asker(study_told(trials, ("maximize", "minimize"), asked), self._distributions, self._ranges)

    def _take(self, earlier: Earlier) -> None:
        first = int(len(earlier.of_other_studies) >= max(2, self._size))
        sources: tuple[list[_Source], ...] = (
            [(outcome, 0) for outcome in earlier.of_other_studies],
            [(outcome, first + outcome.round) for outcome in earlier.outcomes],
            [(one, first + number) for number, each in enumerate(earlier.refused) for one in each],
        )
        stand = [told.take(each) for told, each in zip(self._told, sources, strict=True)]
        if not all(stand):
            self._parents.clear()

    def _made(self, source: _Source) -> FrozenTrial | None:
        """Return the trial of an outcome in a generation; None if a gene or range has changed since."""
        told, generation = source
        if not all(name in told.choices and self._holds(name, told.choices[name]) for name in self._distributions):
            return None
        if isinstance(told, Refused):
            objective, added, excess = 0.0, 0.0, told.excess
        else:
            objective, added, excess = told.objective or 0.0, told.added_parameters, 0.0
        return optuna.trial.create_trial(
            params={name: told.choices[name] for name in self._distributions},
            distributions=self._distributions,
            values=(objective, math.log10(1 + added)),
            constraints={BUDGET: excess},
            system_attrs={f"{kind.__name__}:generation": generation for kind in (NSGAII, NSGAIII)},
        )

    def _holds(self, name: str, value: Any) -> bool:
        if name in self._genes:
            return value in self._genes[name]
        return holds(self._ranges[name], value)


class Asker:
    """One round's conversation with a sampler of Optuna."""

    def __init__(
        self, study: Study, distributions: dict[str, BaseDistribution], ranges: Mapping[str, NuisanceRange]
    ) -> None:
        self._study = study
        self._distributions = distributions
        self._ranges = ranges

    def ask(self) -> tuple[Trial, Choices]:
        """Return the sampler's next choices, and the trial to tell about."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self._study.ask(self._distributions)
        values = {n: rounded(self._ranges[n], v) if n in self._ranges else v for n, v in trial.params.items()}
        return trial, values

    def refuse(self, trial: Trial, excess: float) -> None:
        """Tell that a trial is infeasible; genetic samplers learn it in the next round, as part of this generation."""
        if isinstance(self._study.sampler, TPESampler):
            trial.set_constraint(BUDGET, excess)
            self._study.tell(trial, (0.0, 0.0))
        else:
            self._study.tell(trial, state=TrialState.FAIL)


def derived_seed(sampler: Sampler, sampler_seed: int, number: int) -> int:
    """Return the seed of a round."""
    text = f"{sampler}/{sampler_seed}/{number}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _sampler(name: Sampler, seed: int, size: int, parents: Parents) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(seed=seed, n_startup_trials=size)
        if name == "nsga2":
            return NSGAII(parents, seed=seed, population_size=max(2, size))
        if name == "nsga3":
            return NSGAIII({}, seed=seed, population_size=max(2, size))
        return RandomSampler(seed=seed)
