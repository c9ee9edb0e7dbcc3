"""The front with its uncertainty, against Optuna, slow loops and known answers."""

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from results.analysis.confirmed import confirmed_results
from results.analysis.front.cheapest import cheapest_within
from results.analysis.front.costed import CostedArms, costed_arms
from results.analysis.front.uncertainty import attained, front_uncertainty, hypervolume
from results.analysis.inference.scores import scores_of
from results.analysis.selection import rule_of
from results.analysis.summary import summarize


def made(means, cost, spread=0.01, seeds=4):
    noise = np.random.default_rng(4).normal(size=(len(means), seeds))
    noise -= noise.mean(axis=1, keepdims=True)
    return CostedArms(tuple("abcdefgh"[: len(means)]), np.array(means)[:, None] + spread * noise, np.array(cost), 0.5)


def test_the_front_agrees_with_the_summary(study):
    summary = summarize(study.trials, study.task_metrics, study.storage)
    scores = scores_of(confirmed_results(study.trials, study.task_metrics, rule_of(study.trials)), summary)
    found = front_uncertainty(costed_arms(scores, summary)).arms.set_index("arm")
    expected = summary.set_index("arm")
    assert found["cost"].is_monotonic_increasing
    for arm, row in found.iterrows():
        assert row["probability"] == pytest.approx(expected.loc[arm, "on_front_probability"], abs=0.02)
        assert row["mean"] == pytest.approx(expected.loc[arm, "triplet_accuracy_mean"])


def test_the_hypervolume_is_optunas():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cost = np.concatenate([[0.0], rng.integers(0, 10_000, size=6).astype(float)])
        accuracy = rng.uniform(0.3, 1.0, size=7)
        losses = np.stack([np.log10(1 + cost), -accuracy], axis=1)
        reference = np.array([losses[:, 0].max(), -0.5])
        inside = losses[(losses <= reference).all(axis=1)]
        area = compute_hypervolume(inside, reference) if len(inside) else 0.0
        assert hypervolume(accuracy, cost, 0.5) == pytest.approx(area / (reference[0] * 0.5))


def test_a_clear_front_has_certain_arms_and_a_narrow_band():
    costed = made([0.6, 0.8, 0.7, 0.9], [0.0, 10.0, 100.0, 1000.0], spread=1e-4)
    found = front_uncertainty(costed)
    assert found.arms["probability"].tolist() == pytest.approx([1, 1, 0, 1], abs=1e-3)
    assert found.arms["on_front"].tolist() == [True, True, False, True]
    assert found.band["best"].tolist() == pytest.approx([0.6, 0.8, 0.8, 0.9])
    assert ((found.band["high"] - found.band["low"]) < 1e-3).all()
    assert found.hypervolume.low < found.hypervolume.mean < found.hypervolume.high
    assert "from 0.500 to 1" in found.hypervolume_of


def test_the_band_equals_a_slow_loop_over_draws():
    costed = made([0.7, 0.71, 0.72], [0.0, 5.0, 5.0], spread=0.02)
    drawn = costed.draws()
    low, high = np.quantile([max(row) for row in drawn], [0.025, 0.975])
    half = max(high - 0.72, 0.72 - low)
    band = front_uncertainty(costed).band
    assert band["cost"].tolist() == [0, 5]
    assert (band["low"].iloc[1], band["high"].iloc[1]) == pytest.approx((0.72 - half, 0.72 + half))
    assert attained(np.array([0.7, 0.71, 0.72]), costed.cost, np.array([0.0, 6.0])).tolist() == [0.7, 0.72]


def test_the_cheapest_arm_within_a_point():
    costed = made([0.70, 0.845, 0.85, 0.847], [0.0, 10.0, 1000.0, 10.0], spread=1e-4)
    found = cheapest_within(costed, 0.01)
    assert found.arm == "d"  # as cheap as b and more accurate
    assert found.probability == pytest.approx(1, abs=1e-3)
    assert found.choices["within"].tolist() == pytest.approx([0, 1, 1, 1], abs=1e-3)
    assert cheapest_within(costed, 0.0).arm == "c"
    assert cheapest_within(costed, 0.2).arm == "a"
    with pytest.raises(ValueError, match="0 or more"):
        cheapest_within(costed, -0.1)


def test_shares_of_the_cheapest_arm_equal_a_slow_loop():
    costed = made([0.70, 0.72, 0.73], [0.0, 10.0, 20.0], spread=0.02)
    wins, within = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    drawn = costed.draws()
    for row in drawn[:2000]:
        good = [i for i in range(3) if row[i] >= max(row) - 0.01]
        wins["abc"[min(good)]] += 1
        for i in good:
            within["abc"[i]] += 1
    found = cheapest_within(costed, 0.01).choices
    assert found["cheapest"].sum() == pytest.approx(1)
    assert found["cheapest"].tolist() == pytest.approx([wins[a] / 2000 for a in "abc"], abs=0.04)
    assert found["within"].tolist() == pytest.approx([within[a] / 2000 for a in "abc"], abs=0.04)


def test_one_seed_has_no_probabilities_and_no_arms_no_front():
    one = made([0.7, 0.8], [0.0, 10.0], spread=0.0, seeds=1)
    found = front_uncertainty(one)
    assert found.arms["probability"].isna().all()
    assert found.band["low"].isna().all()
    assert found.hypervolume.low is None
    assert cheapest_within(one).probability is None
    none = CostedArms((), np.empty((0, 0)), np.empty(0), np.nan)
    assert front_uncertainty(none).arms.empty
    assert cheapest_within(none) is None


def test_the_band_covers_the_truth_where_all_arms_are_equal():
    rng, hits = np.random.default_rng(3), 0
    for _ in range(60):
        costed = CostedArms(tuple("abcdefgh"), 0.7 + 0.01 * rng.normal(size=(8, 5)), np.arange(8.0), 0.5)
        last = front_uncertainty(costed).band.iloc[-1]
        hits += last["low"] <= 0.7 <= last["high"]
    assert hits >= 54
