"""Importances of synthetic responses whose answer is known; statsmodels' own table as oracle."""

import itertools

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from results.analysis.confirmed import confirmed_results
from results.analysis.importance.design import FACTOR_COLUMNS, NUISANCE_COLUMNS, confirm_design, tune_design, varying
from results.analysis.importance.interactions import anova
from results.analysis.importance.main_effects import main_effects
from results.analysis.inference.scores import scores_of
from results.analysis.selection import rule_of
from results.analysis.summary import summarize

LEVELS = {"placement": ["early", "late", "all"], "form": ["scale", "low_rank"], "grouping": ["one", "two"]}


def grid(repeats, seed=0):
    """A balanced design of three factors; other factors and nuisance values are constant."""
    rows = [
        {
            **dict.fromkeys(FACTOR_COLUMNS, "same"),
            **dict.fromkeys(NUISANCE_COLUMNS, 1.0),
            **dict(zip(LEVELS, levels, strict=True)),
            "arm_id": "".join(levels),
            "seed": repeat,
        }
        for levels in itertools.product(*LEVELS.values())
        for repeat in range(repeats)
    ]
    return pd.DataFrame(rows), np.random.default_rng(seed)


def tuned(response, repeats=10):
    design, rng = grid(repeats)
    design["learning_rate"] = 10 ** rng.uniform(-3, -1, len(design))
    design["accuracy"] = response(design) + rng.normal(0, 0.01, len(design))
    return design.assign(**{"worst task": np.nan, "bytes": 4.0 * (design["placement"] == "all")})


def importance(design, response="accuracy"):
    return main_effects(design).query("response == @response").set_index("name")


def test_the_factor_that_decides_is_the_important_one():
    found = importance(tuned(lambda d: 0.1 * (d["placement"] == "late")))
    assert set(found.index) == {*LEVELS, "learning_rate"}
    assert found["importance"].sum() == pytest.approx(1)
    assert found["importance"].idxmax() == "placement"
    assert found.loc["placement", "low"] > found.drop(index="placement")["high"].max()
    assert found.loc["placement", "kind"] == "factor"


def test_a_nuisance_value_can_be_what_matters():
    found = importance(tuned(lambda d: -0.1 * np.abs(np.log10(d["learning_rate"]) + 2)))
    assert found["importance"].idxmax() == "learning_rate"
    assert found.loc["learning_rate", "kind"] == "nuisance"
    assert found.loc["learning_rate", "low"] > found.loc["form", "high"]


def test_bytes_are_better_low_and_depend_on_factors_alone():
    found = importance(tuned(lambda d: 0.0 * d["learning_rate"]), "bytes")
    assert found["importance"].idxmax() == "placement"
    assert found.loc["learning_rate", "importance"] < 0.2


def test_pure_noise_has_wide_intervals():
    found = importance(tuned(lambda d: 0.0 * d["learning_rate"], repeats=3))
    assert (found["high"] - found["low"]).max() > 0.3


def test_few_trials_or_one_value_give_no_importance():
    assert main_effects(tuned(lambda d: 0.0 * d["learning_rate"], repeats=1)).empty
    assert "worst task" not in set(main_effects(tuned(lambda d: 0.0 * d["learning_rate"]))["response"])


def confirmed_design(response, repeats=4, noise=0.01):
    design, rng = grid(repeats)
    design["accuracy"] = response(design) + 0.02 * design["seed"] + rng.normal(0, noise, len(design))
    return design.assign(**{"worst task": design["accuracy"], "bytes": 1.0})


def shares(design):
    return anova(design).query("response == 'accuracy'").set_index("term")


def test_additive_factors_have_no_interaction():
    found = shares(confirmed_design(lambda d: 0.1 * (d["placement"] == "late") + 0.05 * (d["form"] == "scale")))
    assert list(found.index) == ["placement", "form", "grouping", *map(" x ".join, itertools.combinations(LEVELS, 2))]
    assert found.loc["placement", "share"] > found.loc["form", "share"] > 0.1
    assert found["share"].iloc[2:].max() < 0.05
    assert found.loc["placement", "low"] > found.loc["placement x form", "high"]
    assert found.loc["placement", "p"] < 1e-6
    assert found["p"].iloc[3:].min() > 0.001


def test_a_pure_interaction_is_found_as_one():
    design = confirmed_design(lambda d: 0.1 * ((d["form"] == "scale") ^ (d["grouping"] == "one")))
    found = shares(design)
    assert found["share"].idxmax() == "form x grouping"
    assert found.loc["form x grouping", "low"] > 0.3
    assert found.loc[["form", "grouping"], "share"].max() < 0.05


def test_balanced_shares_and_p_values_are_statsmodels_own():
    design = confirmed_design(lambda d: 0.03 * (d["placement"] == "late") * (d["form"] == "scale"), noise=0.03)
    found = shares(design)
    formula = "accuracy ~ C(seed) + C(placement) + C(form) + C(grouping)"
    total = ((design["accuracy"] - design["accuracy"].mean()) ** 2).sum()
    table = anova_lm(ols(formula, design).fit(), typ=2)
    for name in LEVELS:
        assert found.loc[name, "share"] == pytest.approx(table.loc[f"C({name})", "sum_sq"] / total)
        assert found.loc[name, "p"] == pytest.approx(table.loc[f"C({name})", "PR(>F)"])
    with_pair = anova_lm(ols(f"{formula} + C(placement):C(form)", design).fit(), typ=2)
    assert found.loc["placement x form", "share"] == pytest.approx(
        with_pair.loc["C(placement):C(form)", "sum_sq"] / total
    )
    assert found.loc["placement x form", "p"] == pytest.approx(with_pair.loc["C(placement):C(form)", "PR(>F)"])


def test_terms_that_nothing_tells_apart_are_marked():
    design = confirmed_design(lambda d: 0.1 * (d["placement"] == "late"))
    design = design.assign(form=design["placement"].map({"early": "scale", "late": "low_rank", "all": "low_rank"}))
    found = shares(design)
    assert not found.loc["form", "estimable"]
    assert not found.loc["placement x form", "estimable"]
    assert found.loc["placement", "estimable"]
    assert found.loc["form", "share"] == 0


def test_the_design_tables_of_a_study(study):
    rule = rule_of(study.trials)
    design = tune_design(study.trials, study.task_metrics, study.storage, rule)
    assert len(design) == 7 * 4
    assert set(varying(design, (*FACTOR_COLUMNS, *NUISANCE_COLUMNS))) == {"placement", "grouping", "learning_rate"}
    late = study.trials[(study.trials["arm"] == "late") & (study.trials["stage"] == "tune")].iloc[0]
    own = study.task_metrics[(study.task_metrics["trial_id"] == late["trial_id"])]
    worst = own.query("split == 'validation' and metric == 'triplet_accuracy' and average == 'query'")["value"].min()
    row = design[design["arm_id"] == late["arm_id"]].iloc[0]
    assert (row["accuracy"], row["worst task"]) == (late["objective"], worst)
    assert set(main_effects(design)["response"]) == {"accuracy", "worst task", "bytes"}
    summary = summarize(study.trials, study.task_metrics, study.storage)
    scores = scores_of(confirmed_results(study.trials, study.task_metrics, rule), summary)
    confirm = confirm_design(scores, summary)
    assert len(confirm) == 7 * 3
    found = anova(confirm)
    assert found.query("response == 'bytes'")["p"].isna().all()
    assert (found["share"] <= 1).all()
    assert anova(confirm.head(0)).empty
