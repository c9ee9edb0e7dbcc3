"""The three sentences that a report opens with, and what it warns of."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results.analysis.reported import Results
from results.page.build import build_page
from results.page.origin import PageOrigin
from results.report.answer import answer_sentences, best_sentence, named
from results.report.cautions import at_the_edge, cautions, end_of_training
from results.report.failure_section import failure_section
from results.report.report import _further


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

    gain, certainty, cost = answer_sentences(changed(study, value))
    assert gain.startswith("Of 4 arms that add less than separate networks, all is best on validation images")
    assert "(chance 0.500; mean of 7 tasks; train seeds 1, 2, 3)" in gain
    assert "all beats shared by 0.09" in gain
    assert certainty.startswith("Beside separate networks, all stays below separate by 0.02")
    assert certainty.endswith(
        "; of the other arms, late is better on test images; 2 stay below it"
        " (moderated paired t tests over seeds at 5 %, Holm's correction over all 21 pairs of arms)."
    )
    assert "all adds 9,408 parameters (0.32 %) where separate networks add 17,721,984 parameters (600 %)" in cost
    assert "stores 7 vectors per image for all tasks and takes 7 times the multiply-adds of shared" in cost


def test_the_best_arm_is_compared_with_arms_that_have_results_and_no_others(study):
    def value(row):
        return {"all": 0.9, "shared": 0.5}[row["arm"]] + 0.001 * row["train_seed"] * (row["arm"] == "all")

    two = study.task_metrics["arm"].isin(["all", "shared"])
    results = changed(dataclasses.replace(study, task_metrics=study.task_metrics[two]), value)
    assert results.missing
    assert best_sentence(results).startswith("Every other arm with results is shown to be below the best one, all (")


def test_the_cheapest_arm_that_cannot_be_told_from_the_chosen_is_named(make_study):
    def value(row):
        return row["value"] + 0.003 * (row["split"] == "test" and row["arm"] == "late")

    results = changed(make_study(seeds=(1, 2, 3, 4, 5)), value)
    answer = results.answer
    assert answer.chosen.arm == "all"
    assert [standing.arm for standing in answer.equals] == ["late"]
    _, certainty, cost = answer_sentences(results)
    assert (
        "of the other arms, late cannot be told from it by these seeds; 2 stay below it (moderated paired" in certainty
    )
    assert cost.endswith("late, which cannot be told from it, adds 6,272 parameters (0.21 %).")


def test_without_references_or_results_the_answer_says_so(study):
    begun = study.without(arm="shared").without(arm="separate")
    storage = study.storage[~study.storage["arm"].isin(["shared", "separate"])]
    gain, certainty, _ = answer_sentences(results_of(dataclasses.replace(begun, storage=storage)))
    assert gain.endswith("there is no shared network to compare it with.")
    assert "there are no separate networks to compare with (moderated paired t tests" in certainty


def test_unfinished_arms_are_counted_and_never_said_to_be_absent(study):
    begun = study.without(arm="shared", stage="confirm").without(arm="separate")
    gain, certainty, _ = answer_sentences(results_of(begun))
    assert gain.startswith("5 of 7 arms have results: of 5 arms, late+network_per_task is best")
    assert gain.endswith("; shared is unfinished, so it has no result yet.")
    assert "; separate is unfinished, so it has no result yet (moderated paired t tests" in certainty
    nothing = results_of(study.without(stage="confirm"))
    assert answer_sentences(nothing) == (
        "There is no answer yet: no arm other than shared and separate has confirm results. 0 of 7 arms have results.",
    )
    assert cautions(nothing) == [
        "0 of 7 arms have results; what the report says is about these",
        "not finished: separate, shared, embedding+disjoint(0)-frozen and 4 more",
        "1 attempt of 1 trial failed; causes are in details.md",
    ]


def test_an_arm_all_of_whose_trials_failed_is_named_with_the_kind(study):
    tuned = study.without(arm="late", stage="confirm").trials
    trials = tuned.assign(state=tuned["state"].mask(tuned["arm"] == "late", "failed"))
    failed = trials[trials["arm"] == "late"].assign(kind="diverged", message="the loss is not finite", attempt=1)
    failures = failed[["arm_id", "arm", "stage", "trial_id", "kind", "message", "attempt"]]
    results = Results(trials, study.without(arm="late").task_metrics, study.storage, failures)
    gain, *_ = answer_sentences(results)
    assert gain.startswith("6 of 7 arms have results: of 3 arms that add less than separate networks, ")
    reason = "late has no result, because all its 4 tune trials failed (diverged)"
    assert reason in cautions(results)
    assert failure_section(results).startswith(f"- {reason}\n")
    assert build_page(results, PageOrigin()).failed == (reason,)


def test_one_seed_gives_no_conclusion(study):
    one = study.without(train_seed=2).without(train_seed=3)
    gain, *_ = answer_sentences(results_of(one))
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
    assert near.startswith("near chance: on hat no arm can be told from chance, so it says nothing")
    assert trivial.startswith("trivial: on glasses every arm reaches nearly 1")
    kept = results.tasks[(results.tasks["arm"] == "shared") & ~results.tasks["task"].isin(["hat", "glasses"])]
    assert f"shared {kept['mean'].mean():.3f}" in without


def curves_of(study, values):
    """Curves of all confirm trials through these values by epoch, those of ``late`` 0.1 higher at the end."""
    confirmed = study.trials[study.trials["stage"] == "confirm"]
    return pd.DataFrame(
        {"trial_id": row.trial_id, "epoch": epoch, "metric": "validation/triplet_accuracy", "value": value + more}
        for row in confirmed.itertuples()
        for epoch, value in values.items()
        for more in [0.1 * (row.arm == "late" and epoch == max(values))]
    )


def ended(study, values):
    """What the cautions say of the end of training."""
    results = dataclasses.replace(results_of(study), curves=curves_of(study, values))
    assert end_of_training(results)
    return [line for line in cautions(results) if line == end_of_training(results)]


def test_training_that_ended_before_the_curves_were_flat_is_a_caution(study):
    (line,) = ended(study, {2: 0.5, 4: 0.6, 6: 0.63})
    assert line == (
        "validation triplet accuracy is not flat yet: from epoch 4 to 6, 7 of 7 arms rose by more than 0.005,"
        " late most (by 0.130), so how fast an arm learns is part of the comparison"
    )
    (line,) = ended(study, {2: 0.5, 4: 0.63, 6: 0.632})
    assert "1 of 7 arms rose by more than 0.005, late most (by 0.102)" in line
    (line,) = ended(study, {6: 0.5})
    assert line.endswith("so nothing shows whether it was long enough; a lower evaluation.validate_every would")
    others = study.without(arm="late")
    assert ended(others, {2: 0.5, 4: 0.63, 6: 0.632}) == []
    flat = dataclasses.replace(results_of(others), curves=curves_of(others, {2: 0.5, 4: 0.63, 6: 0.632}))
    assert (
        end_of_training(flat) == "validation triplet accuracy is flat: from epoch 4 to 6 no arm rose by more than 0.005"
    )
    assert end_of_training(results_of(study)) == ""
    below = _further(flat, (Path("curves.png"),))["Training"]
    assert below.endswith("\n\nValidation triplet accuracy is flat: from epoch 4 to 6 no arm rose by more than 0.005.")


def test_choices_at_the_edge_of_what_was_tried_are_named(study, usual):
    """Of four tried rates the second is selected; without the two lowest it is the lowest."""
    assert not [line for line in cautions(usual) if "at the edge" in line]
    tuned = (study.trials["arm"] == "late") & (study.trials["stage"] == "tune") & (study.trials["trial_index"] == 0)
    (line,) = (
        line
        for line in cautions(results_of(dataclasses.replace(study, trials=study.trials[~tuned])))
        if "at the edge" in line
    )
    assert line.startswith("1 of 7 arms has selected values at the edge of what was tried")
    assert line.endswith(": late (learning rate 0.002 is the lowest of 3 tried)")


def test_arms_with_the_same_choice_at_the_edge_are_named_together():
    edges = ["learning_rate 0.015 is the highest of 2 tried", "margin 0.3 is the lowest of 8 tried"]
    summary = pd.DataFrame({"arm": ["a", "b", "c", "d"], "at_edge": [edges[0], edges[1], edges[0], None]})
    (line,) = at_the_edge(summary)
    assert line.startswith("3 of 4 arms have selected values at the edge")
    assert line.endswith(
        ": a and c (learning rate 0.015 is the highest of 2 tried); b (margin 0.3 is the lowest of 8 tried)"
    )


def test_plain_tasks_give_no_warning(usual):
    assert not [line for line in cautions(usual) if "chance" in line or "trivial" in line]


@pytest.mark.parametrize(
    ("names", "text"),
    [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcdef", "a, b, c and 3 more")],
)
def test_many_names_are_counted(names, text):
    assert named(names) == text


def test_two_seeds_do_not_make_a_learned_task_one_near_chance(study):
    two = study.without(train_seed=3)
    assert not any(line.startswith("near chance") for line in cautions(results_of(two)))
