import math

import numpy as np
import pytest

from results.analysis.selection import BestTrialPerArm, Candidate, rule_of

RULE = BestTrialPerArm()


def test_takes_the_highest_objective_of_each_arm(study):
    chosen = RULE.select(study.trials)
    assert len(chosen) == 7
    assert {candidate.trial_index for candidate in chosen.values()} == {1}


@pytest.mark.parametrize(
    ("candidates", "winner"),
    [
        ([("a", 0, 0.5), ("b", 1, 0.6)], "b"),
        ([("b", 2, 0.6), ("a", 3, 0.6), ("c", 4, 0.1)], "b"),  # the earlier trial, not the smaller id
        ([("b", 2, 0.6), ("a", 2, 0.6)], "a"),
        ([("a", 0, math.nan), ("b", 1, 0.1)], "b"),
        ([("a", 0, math.nan)], None),
        ([], None),
    ],
)
def test_ties_and_missing_objectives(candidates, winner):
    best = RULE.best(Candidate(*values) for values in candidates)
    assert (best.trial_id if best else None) == winner


def test_only_completed_tune_trials_count(study):
    trials = study.trials
    trials.loc[(trials["stage"] == "tune") & (trials["trial_index"] == 1), "state"] = "pruned"
    trials.loc[trials["stage"] == "confirm", "objective"] = 1.0
    assert {candidate.trial_index for candidate in RULE.select(trials).values()} <= {0, 2}


def test_an_arm_without_completed_tune_trial_is_absent(study):
    assert len(RULE.select(study.without(arm="late", stage="tune").trials)) == 6


def test_test_results_cannot_change_the_choice(study):
    """Neither columns with test results beside the objective, nor confirm rows, nor their order, are looked at."""
    expected = RULE.select(study.trials)
    trials = study.trials.assign(test_triplet_accuracy=np.linspace(1, 0, len(study.trials)), test_objective=1.0)
    trials.loc[trials["stage"] == "confirm", "objective"] = np.random.default_rng(0).random(21)
    assert RULE.select(trials.sample(frac=1, random_state=1)) == expected


def test_an_objective_on_test_images_is_refused(study):
    study.trials["objective_metric"] = "test/mean/triplet_accuracy/query"
    with pytest.raises(ValueError, match="has objective 'test/mean/triplet_accuracy/query'"):
        RULE.select(study.trials)
    with pytest.raises(ValueError, match="must be validation/mean/<metric>/<average>"):
        rule_of(study.trials)


def test_rule_is_read_from_the_trials_and_names_itself(study):
    study.trials["objective_metric"] = "validation/mean/map_at_r/class"
    rule = rule_of(study.trials)
    assert rule == BestTrialPerArm("map_at_r", "class")
    assert rule.objective_metric == "validation/mean/map_at_r/class"
    for words in ("best_trial_per_arm", "MAP@R", "validation", "classes"):
        assert words in rule.statement


def test_rules_are_checked():
    with pytest.raises(ValueError, match="did you mean 'triplet_accuracy'"):
        BestTrialPerArm("triplet_acuracy")
    with pytest.raises(ValueError, match="average must be query or class"):
        BestTrialPerArm(average="mean")


def test_mixed_objectives_are_refused(study):
    study.trials.loc[study.trials.index[0], "objective_metric"] = "validation/mean/map_at_r/query"
    with pytest.raises(ValueError, match="share one objective"):
        rule_of(study.trials)
