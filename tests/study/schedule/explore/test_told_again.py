"""What a process keeps of what it told its samplers changes no choice: Optuna that is told all anew makes the same."""

from __future__ import annotations

import math
import random

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler

from search_spaces import FloatRange, IntRange
from study.schedule.explore.record import Outcome, Refused
from study.schedule.explore.sampler import Earlier, Samplers

STAGES = ("conv1", "res2", "fc")
GENES = {**{f"placement.{stage}": ("off", "on") for stage in STAGES}, "initialization": ("ones", "csn", "normal")}
RANGES = {
    "learning_rate": FloatRange(low=1e-4, high=1e-1, log=True),
    "margin": FloatRange(low=0.1, high=0.5),
    "batch": IntRange(low=16, high=64),
}
DISTRIBUTIONS = {
    **{name: CategoricalDistribution(alternatives) for name, alternatives in GENES.items()},
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "margin": FloatDistribution(0.1, 0.5),
    "batch": IntDistribution(16, 64),
}
OPTUNAS = {"tpe": TPESampler, "nsga2": NSGAIISampler, "nsga3": NSGAIIISampler, "random": RandomSampler}


class Anew:
    """Optuna as it comes: a new study for every round, told everything in order."""

    def __init__(self, name, seed, size, earlier):
        kind = OPTUNAS[name]
        of_its_own = {"tpe": {"n_startup_trials": size}, "random": {}}
        sampler = kind(seed=seed, **of_its_own.get(name, {"population_size": max(2, size)}))
        self.study, self.is_tpe = (
            optuna.create_study(directions=("maximize", "minimize"), sampler=sampler),
            name == "tpe",
        )
        first = int(len(earlier.of_other_studies) >= max(2, size))
        key = f"{kind.__name__}:generation"
        for outcome in earlier.of_other_studies:
            self.add(outcome, {key: 0})
        for outcome in earlier.outcomes:
            self.add(outcome, {key: first + outcome.round})
        for number, refused in enumerate(earlier.refused):
            for each in refused:
                self.add(Outcome(each.choices, None, 0, number), {key: first + number}, each.excess)

    def add(self, outcome, attributes, excess=0.0):
        self.study.add_trial(
            optuna.trial.create_trial(
                params={name: outcome.choices[name] for name in DISTRIBUTIONS},
                distributions=DISTRIBUTIONS,
                values=(outcome.objective or 0.0, math.log10(1 + outcome.added_parameters)),
                constraints={"budget": excess},
                system_attrs=attributes,
            )
        )

    def ask(self):
        trial = self.study.ask(DISTRIBUTIONS)
        return trial, trial.params

    def refuse(self, trial, excess):
        if self.is_tpe:
            trial.set_constraint("budget", excess)
            self.study.tell(trial, (0.0, 0.0))
        else:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)


def chance_of(seed):
    return random.Random(seed)  # noqa: S311 - no secret


def a_round(asker, size, chance):
    """Return every choice of a round, those that chance refuses included, and what was refused of them."""
    chosen, refused, kept = [], [], 0
    while kept < size and len(chosen) < 4 * size:
        trial, choices = asker.ask()
        chosen.append(dict(choices))
        if chance.random() < 0.3:
            excess = round(chance.random(), 2) + 0.01
            asker.refuse(trial, excess)
            refused.append(Refused(dict(choices), excess))
        else:
            kept += 1
    return chosen, tuple(refused)


def outcome_of(choices, number, chance):
    """Return a result, at times none, at times one that others have too: ties are where an order shows."""
    objective = chance.choice([None, 0.5, 0.75, round(chance.random(), 3)])
    return Outcome(choices, objective, chance.choice([0, 8, 8, 40]), number)


def rounded(choices):
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in choices.items()}


def drawn_choices(chance):
    floats = {name: round(chance.uniform(each.low, each.high), 4) for name, each in RANGES.items()}
    return {**{name: chance.choice(each) for name, each in GENES.items()}, **floats, "batch": chance.randint(16, 64)}


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_a_thousand_generations_do_not_exceed_the_limit_on_nested_calls(name):
    chance = chance_of(0)
    outcomes = [outcome_of(drawn_choices(chance), number, chance) for number in range(1000) for _ in range(2)]
    _, choices = Samplers(GENES, RANGES, 2).asker(name, 0, Earlier(outcomes)).ask()
    assert choices.keys() == DISTRIBUTIONS.keys()


def test_an_outcome_is_made_into_a_trial_once(monkeypatch):
    made = []
    real = optuna.trial.create_trial
    monkeypatch.setattr(optuna.trial, "create_trial", lambda **settings: made.append(settings) or real(**settings))
    chance, samplers = chance_of(0), Samplers(GENES, RANGES, 4)
    outcomes = [outcome_of(drawn_choices(chance), place // 4, chance) for place in range(12)]
    for known in (4, 8, 12):
        samplers.asker("tpe", known, Earlier(tuple(outcomes[:known]))).ask()
    assert len(made) == 12


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random"])
@given(chance=st.randoms(use_true_random=False), size=st.integers(2, 6), others=st.integers(0, 8))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_choice_is_that_of_a_sampler_told_all_anew(name, chance, size, others):
    samplers = Samplers(GENES, RANGES, size)
    of_others = [outcome_of(drawn_choices(chance), 0, chance) for _ in range(others)]
    outcomes, refused = [], []
    for number in range(6):
        if number == 4 and chance.random() < 0.5:  # nothing that was told ever changes, but if it did, it would count
            outcomes[0] = outcome_of(outcomes[0].choices, 0, chance)
        earlier = Earlier(tuple(outcomes), tuple(refused), of_others)
        luck = chance.random()
        chosen, over = a_round(samplers.asker(name, number, earlier), size, chance_of(luck))
        expected, _ = a_round(Anew(name, number, size, earlier), size, chance_of(luck))
        assert chosen == [rounded(each) for each in expected]
        refused.append(over)
        fits = [each for each in chosen if all(each != one.choices for one in over)]
        outcomes += [outcome_of(each, number, chance) for each in fits[:size]]
