"""PED-ANOVA in closed form; Optuna's evaluator as oracle."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator

from results.analysis.importance.ped_anova import TOP, Levels, ped_anova

pytestmark = pytest.mark.filterwarnings("ignore:PedAnovaImportanceEvaluator computes")


def of_optuna(names, gain):
    """Return what Optuna finds of the trials whose gain is known; it sums to 1 unless nothing matters."""
    study = optuna.create_study()
    space = {str(i): CategoricalDistribution(range(levels.count)) for i, levels in enumerate(names)}
    for trial in np.flatnonzero(np.isfinite(gain)):
        params = {str(i): int(levels.codes[trial]) for i, levels in enumerate(names)}
        study.add_trial(optuna.create_trial(params=params, distributions=space, value=-gain[trial]))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP)
    found = evaluator.evaluate(study, list(space), target=lambda trial: trial.value)
    importances = np.array([found[name] for name in space])
    return importances / importances.sum() if importances.sum() else importances


@pytest.mark.parametrize("trials", [2, 23, 160])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_optunas(trials, seed):
    rng = np.random.default_rng(seed)
    names = [Levels(rng.integers(0, used, trials), count) for used, count in ((2, 2), (3, 5), (40, 40))]
    gain = np.array([rng.normal(size=trials) + names[0].codes, rng.integers(0, 3, trials)])
    if trials > 2:
        gain[0, rng.random(trials) < 0.3] = np.nan
    expected = [of_optuna(names, own) for own in gain]
    np.testing.assert_allclose(ped_anova(names, gain), expected, rtol=0, atol=1e-12)


def test_nothing_matters_where_one_trial_is_known():
    names = [Levels(np.array([0, 1, 1]), 2)]
    assert ped_anova(names, np.array([[1.0, np.nan, np.nan]])).tolist() == [[0.0]]
