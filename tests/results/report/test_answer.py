"""The three sentences that a report opens with, and what it warns of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from results.analysis.reported import Results
from results.report.answer import answer_sentences, named
from results.report.cautions import cautions


def results_of(study) -> Results:
    return Results(study.trials, study.task_metrics, study.storage, study.failures)


def changed(study, values) -> Results:
    """The study with other test values: ``values`` maps a row of task_metrics to a value."""
    metrics = study.task_metrics.assign(value=[values(row) for row in study.task_metrics.to_dict("records")])
    return results_of(dataclasses.replace(study, task_metrics=metrics))


def test_the_answer_names_the_arm_that_validation_images_choose(study):
    """late is best on test images, but a report that chose by them would be optimistic."""

    def value(row):
        best = {"test": "late", "validation": "all"}[row["split"]]
        return min(row["value"] + 0.1 * (row["arm"] == best), 1.0)

    gain, certainty, cost = answer_sentences(changed(study, value).answer)
    assert gain.startswith("Of 4 arms that add less than separate networks, all is best on validation images")
    assert "(chance 0.500; mean of 7 tasks; train seeds 1, 2, 3)" in gain
    assert "all beats shared by 0.09" in gain
    assert certainty.startswith("Beside separate networks, all stays below separate by 0.02")
    assert certainty.endswith("; late is better on test images; 2 of the other arms stay below it.")
    assert "all adds 9,408 parameters (0.32 %) where separate networks add 17,721,984 parameters (600 %)" in cost
    assert "stores 7 vectors per image for all tasks and takes 7 times the multiply-adds of shared" in cost


def test_the_cheapest_arm_that_cannot_be_told_from_the_chosen_is_named(study):
    def value(row):
        return row["value"] + 0.003 * (row["split"] == "test" and row["arm"] == "late")

    answer = changed(study, value).answer
    assert answer.chosen.arm == "all"
    assert [standing.arm for standing in answer.equals] == ["late"]
    _, certainty, cost = answer_sentences(answer)
    assert "late cannot be told from it by these seeds; 2 of the other arms stay below it" in certainty
    assert cost.endswith("late, which cannot be told from it, adds 6,272 parameters (0.21 %).")


def test_without_references_or_results_the_answer_says_so(study):
    alone = results_of(study.without(arm="shared").without(arm="separate")).answer
    gain, certainty, _ = answer_sentences(alone)
    assert gain.endswith("there is no shared network to compare it with.")
    assert certainty.endswith("there are no separate networks to compare with.")
    nothing = results_of(study.without(stage="confirm"))
    assert answer_sentences(nothing.answer) == (
        "There is no answer yet: no arm other than shared and separate has confirm results.",
    )
    assert cautions(nothing) == ["1 attempt of 1 trial failed; causes are in details.md"]


def test_one_seed_gives_no_conclusion(study):
    one = study.without(train_seed=2).without(train_seed=3)
    gain, *_ = answer_sentences(results_of(one).answer)
    assert "no interval, so no conclusion" in gain
    assert "1 seed per arm: intervals are very wide or absent" in cautions(results_of(one))


def test_tasks_near_chance_and_trivial_ones_are_pointed_out(study):
    generator = np.random.default_rng(0)

    def value(row):
        if row["task"] in ("hat", "glasses"):
            return {"hat": 0.49, "glasses": 0.985}[row["task"]] + generator.normal(0, 0.002)
        return row["value"]

    results = changed(study, value)
    near, trivial, without = cautions(results)[:3]
    assert near.startswith("near chance: on hat no arm can be told from chance")
    assert trivial.startswith("trivial: on glasses every arm reaches nearly 1")
    kept = results.tasks[(results.tasks["arm"] == "shared") & ~results.tasks["task"].isin(["hat", "glasses"])]
    assert f"shared {kept['mean'].mean():.3f}" in without


def test_plain_tasks_give_no_warning(study):
    assert not [line for line in cautions(results_of(study)) if "chance" in line or "trivial" in line]


@pytest.mark.parametrize(
    ("names", "text"),
    [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcdef", "a, b, c and 3 more")],
)
def test_many_names_are_counted(names, text):
    assert named(names) == text


def test_two_seeds_do_not_make_a_learned_task_one_near_chance(study):
    two = study.without(train_seed=3)
    assert not any(line.startswith("near chance") for line in cautions(results_of(two)))
