"""Asks Optuna for the trials of a round: objective up, added parameters down, the budget as a constraint."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from search_spaces import NuisanceRange
from study.definition.model import Sampler
from study.schedule.explore.record import Choices, Outcome, Refused
from study.schedule.explore.warm_start import holds
from study.schedule.sampler import distribution_of, rounded

BUDGET = "budget"
"""Name of the constraint: at most 0 for what may be trained."""


class Asker:
    """One round's conversation with a sampler of Optuna; a function of its arguments for a fixed release.

    A generation of the genetic samplers (NSGA-II, Deb et al. 2002; NSGA-III, Deb and Jain 2014) is a round. In its
    first round every sampler draws at random. A trial without an objective is told as one of objective 0, the lowest
    that a metric can have, since a multi-objective study has no pruned trials.

    Args:
        sampler: its name in the study file.
        seed: of the study's sampler and the round; see ``derived_seed``.
        genes: alternatives of each gene by name.
        ranges: nuisance ranges by name.
        size: trials in a whole round.
    """

    def __init__(
        self,
        sampler: Sampler,
        seed: int,
        genes: Mapping[str, tuple[str, ...]],
        ranges: Mapping[str, NuisanceRange],
        size: int,
    ) -> None:
        self._genes = genes
        self._ranges = ranges
        self._distributions: dict[str, BaseDistribution] = {
            **{name: CategoricalDistribution(alternatives) for name, alternatives in genes.items()},
            **{name: distribution_of(values) for name, values in ranges.items()},
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._size = size
        self._sampler = _sampler(sampler, seed, size)
        self._study = optuna.create_study(directions=("maximize", "minimize"), sampler=self._sampler)

    def tell_earlier(
        self,
        outcomes: Iterable[Outcome],
        refused: Iterable[tuple[Refused, ...]],
        of_other_studies: Sequence[Outcome] = (),
    ) -> None:
        """Tell what came of earlier rounds, their trials in order, and what was refused; first, of other studies.

        For the genetic samplers, those of other studies are the generation before the first round, or part of it where
        they are too few to be one.
        """
        first = int(len(of_other_studies) >= max(2, self._size))
        for outcome in of_other_studies:
            self._add(outcome.choices, outcome.objective or 0.0, outcome.added_parameters, 0.0, 0)
        for outcome in outcomes:
            self._add(outcome.choices, outcome.objective or 0.0, outcome.added_parameters, 0.0, first + outcome.round)
        for number, each in enumerate(refused):
            for one in each:
                self._add(one.choices, 0.0, 0.0, one.excess, first + number)

    def ask(self) -> tuple[Trial, Choices]:
        """Return the sampler's next choices, and the trial to tell about."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self._study.ask(self._distributions)
        values = {n: rounded(self._ranges[n], v) if n in self._ranges else v for n, v in trial.params.items()}
        return trial, values

    def refuse(self, trial: Trial, excess: float) -> None:
        """Tell that a trial is infeasible; genetic samplers learn it in the next round, as part of this generation."""
        if isinstance(self._sampler, TPESampler):
            trial.set_constraint(BUDGET, excess)
            self._study.tell(trial, (0.0, 0.0))
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _add(self, choices: Choices, objective: float, added: float, excess: float, number: int) -> None:
        if not all(name in choices and self._holds(name, choices[name]) for name in self._distributions):
            return  # a gene or range has changed since
        self._study.add_trial(
            optuna.trial.create_trial(
                params={name: choices[name] for name in self._distributions},
                distributions=self._distributions,
                values=(objective, math.log10(1 + added)),
                constraints={BUDGET: excess},
                system_attrs={f"{type(self._sampler).__name__}:generation": number},
            )
        )

    def _holds(self, name: str, value: Any) -> bool:
        if name in self._genes:
            return value in self._genes[name]
        return holds(self._ranges[name], value)


def derived_seed(sampler: Sampler, sampler_seed: int, number: int) -> int:
    """Return the seed of a round."""
    text = f"{sampler}/{sampler_seed}/{number}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _sampler(name: Sampler, seed: int, size: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(seed=seed, n_startup_trials=size)
        if name == "nsga2":
            return NSGAIISampler(seed=seed, population_size=max(2, size))
        if name == "nsga3":
            return NSGAIIISampler(seed=seed, population_size=max(2, size))
        return RandomSampler(seed=seed)
