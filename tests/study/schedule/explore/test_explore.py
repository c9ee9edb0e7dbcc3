"""What an exploration finds depends on its file alone; it trains nothing twice, and nothing over the budget."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from results.analysis.tradeoff import pareto_front
from study.errors import UserError
from study.plan.document import write_plan
from study.schedule.explore import sampler
from study.schedule.explore.genes import Genes
from study.schedule.progress import read_progress
from study.session.notes import unequal_effort

SPACE = {
    "blocks": [{"placement": ["subsets"], "initialization": ["ones", "normal(1,0.1)"]}],
    "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
}
SEARCH = {"mode": "explore", "trials": 14, "round_size": 4, "sampler": "tpe"}


@pytest.fixture(scope="module")
def explore_plan():
    """A study that is planned once for all tests: it has 127 arms, and fewer within a budget."""
    from study.definition.model import StudyDefinition
    from study.plan.plan import compile_plan
    from tests.study.conftest import SETTINGS

    plans = {}

    def make(budget=None, **search):
        key = json.dumps([budget, search], sort_keys=True)
        if key not in plans:
            space = {**SPACE, "budget": {"added_parameters": budget}} if budget else SPACE
            settings = {**SETTINGS, "space": space, "search": SEARCH | search}
            plans[key] = compile_plan(StudyDefinition.model_validate(settings))
        return plans[key]

    return make


def tuned(run):
    trials = [trial for arm in run.dispatcher.arms.values() for trial in arm.tune]
    return sorted(trials, key=lambda trial: trial.index)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "random"])
def test_timing_and_stopping_anywhere_change_nothing(explore_plan, simulate, name):
    plan = explore_plan(40, sampler=name)
    alone = simulate(plan, "alone")
    alone.run(workers=1, seed=0)
    assert [trial.index for trial in tuned(alone)] == list(range(14))
    sessions, ended = 0, 0
    while units := simulate(plan, "stopped").run(workers=3, seed=sessions, units=3):
        sessions += 1
        ended += len(units)
    assert sessions > 4
    assert simulate(plan, "stopped").results() == alone.results()
    assert ended == len(alone.results())  # no session repeats what another has run


def test_no_trial_is_run_twice_and_no_arm_over_the_budget_is_trained(explore_plan, simulate):
    plan = explore_plan(40, sampler="tpe")
    run = simulate(plan)
    run.run(workers=5, seed=3)
    ids = [trial.trial_id for trial in tuned(run)]
    assert len(set(ids)) == len(ids) == 14
    costs = {arm.arm.arm_id: arm.storage.added_parameters for arm in plan.arms}
    assert plan.over_budget
    assert all(costs[trial.arm.arm_id] <= 40 for trial in tuned(run))
    events = [json.loads(line) for line in run.folder.rounds.read_text().splitlines()]
    refused = [each["excess"] for event in events for each in event["refused"]]
    assert refused
    assert set(refused) <= {arm.excess for arm in plan.over_budget}


def test_the_arms_of_the_validation_front_are_confirmed_and_no_others(explore_plan, simulate):
    plan = explore_plan()
    run = simulate(plan)
    run.run(workers=5, seed=3)
    arms = {arm_id: arm for arm_id, arm in run.dispatcher.arms.items() if arm.tune}
    objectives = [max(run.dispatcher.states[t.trial_id].history.objective for t in arm.tune) for arm in arms.values()]
    costs = {arm.arm.arm_id: arm.storage.added_parameters for arm in plan.arms}
    front = pareto_front(np.array(objectives), np.array([costs[arm_id] for arm_id in arms], dtype=float))
    assert [bool(arm.confirm) for arm in arms.values()] == front.tolist()
    assert all(arm.selected and len(arm.confirm) in (0, 2) and arm.done for arm in arms.values())


def test_readers_see_the_arms_proposed_so_far_and_how_many_trials_are_to_come(explore_plan, simulate):
    plan = explore_plan()
    run = simulate(plan)
    write_plan(plan, run.folder)
    run.run(workers=2, seed=0, units=5)
    progress = read_progress(run.folder)
    assert progress.to_propose == 14 - 8
    assert progress.total == 14
    assert {arm.arm.arm_id for arm in progress.plan.arms} == {trial.trial.arm.arm_id for trial in progress.trials}
    assert run.dispatcher.workload().progress.total == progress.total
    simulate(plan).run(workers=2, seed=0)
    assert read_progress(run.folder).done == read_progress(run.folder).total > 14


def test_more_trials_later_go_on_from_those_that_were_run(explore_plan, simulate):
    run = simulate(explore_plan())
    run.run(workers=3, seed=0)
    more = simulate(explore_plan(trials=20))
    more.run(workers=3, seed=0)
    before, after = ([trial.trial_id for trial in tuned(each)] for each in (run, more))
    assert after[:14] == before
    assert len(after) == 20


def test_levels_of_another_factor_later_leave_the_sampler_what_it_knew(explore_plan, simulate, make_plan, monkeypatch):
    """Its earlier trials have no such gene, and are told with the level that all arms had then."""
    simulate(explore_plan(40, trials=8)).run(workers=3, seed=0)
    blocks = [{**SPACE["blocks"][0], "grouping": ["per_task", "shared"]}]
    space = {**SPACE, "blocks": blocks, "budget": {"added_parameters": 40}}
    told = []
    real = sampler.study_told
    monkeypatch.setattr(sampler, "study_told", lambda trials, *rest: real(told.append(list(trials)) or told[-1], *rest))
    more = simulate(make_plan(space=space, search=SEARCH))
    more.run(workers=3, seed=0)
    events = [json.loads(line) for line in more.folder.rounds.read_text().splitlines()]
    assert len(tuned(more)) == 14
    assert len(told[0]) == 8 + sum(len(event["refused"]) for event in events[:2]) > 8
    assert {trial.params["grouping"] for trial in told[0]} == {"per_task"}
    assert {trial.params["grouping"] for trial in told[-1]} == {"per_task", "shared"}


def test_a_space_without_new_trials_ends_the_search(explore_plan, simulate, make_plan):
    space = {"blocks": [{"placement": ["none", "late", "all"]}], "nuisance": {"margin": [0.1, 0.2]}}
    plan = make_plan(space=space, search={"mode": "explore", "trials": 40, "round_size": 4, "sampler": "nsga2"})
    run = simulate(plan)
    run.run(workers=3, seed=0)
    assert len({trial.trial_id for trial in tuned(run)}) == len(tuned(run)) == 6
    assert run.dispatcher.exhausted
    assert run.dispatcher.workload().progress.total == run.dispatcher.workload().progress.done


def test_genetic_samplers_take_parents_from_the_rounds_before(explore_plan, simulate):
    """Later rounds then repeat genes of the best trials; at random, they would not depend on results."""
    run = simulate(explore_plan(sampler="nsga2", trials=40, round_size=8))
    run.run(workers=8, seed=0)
    rounds = [[t for t in tuned(run) if t.round == number] for number in range(5)]
    means = [np.mean([len(trial.arm.points) for trial in trials]) for trials in rounds]
    assert min(means[2:]) < means[0]  # the made-up objective falls with every modulated stage
    assert any(earlier != later for earlier, later in pairwise(means))


@pytest.mark.parametrize("budget", [None, 50])
def test_genes_are_bits_of_the_placement_and_names_of_other_levels(explore_plan, budget):
    plan = explore_plan(budget)
    genes = Genes(plan)
    stages = ("conv1", "res2", "res3", "res4", "res5", "fc")
    assert list(genes.choices) == [*(f"placement.{stage}" for stage in stages), "initialization"]
    chosen = {f"placement.{stage}": "off" for stage in stages}
    ids = {genes.arm_id({**chosen, "initialization": name}) for name in genes.choices["initialization"]}
    assert [plan.arms[0].arm.name, *ids] == ["shared", plan.arms[0].arm.arm_id]
    assert all(genes.arm_id(genes.of(arm)) == arm.arm.arm_id for arm in plan.arms)


def test_another_mode_in_the_same_folder_is_refused(explore_plan, make_plan, simulate):
    run = simulate(explore_plan())
    write_plan(run.plan, run.folder)
    run.run(workers=1, seed=0, units=1)
    with pytest.raises(UserError, match=r"search\.mode: .* contains trials of the mode explore"):
        write_plan(make_plan(space=SPACE), run.folder)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"mode": "explore"}, "search.trials: missing"),
        ({"mode": "explore", "trials": 4, "trials_per_arm": 2}, "search.trials_per_arm: not with"),
        ({"mode": "explore", "trials": 4, "halving": {"rungs": [1]}}, "search.halving: not with"),
        ({"mode": "explore", "trials": 4, "sampler": "nsga3", "round_size": 1}, "search.round_size: at least 2 with"),
        ({"trials": 4}, "search.trials: only with"),
        ({"sampler": "nsga2"}, "search.sampler: only with"),
    ],
)
def test_keys_of_the_other_mode_are_refused(make_plan, search, message):
    with pytest.raises(ValueError, match=message):
        make_plan(search=search)


def test_status_and_report_say_that_efforts_were_unequal(explore_plan, simulate):
    run = simulate(explore_plan())
    run.run(workers=2, seed=0, units=5)
    (line,) = unequal_effort(run.dispatcher.workload().progress)
    assert line.startswith("arms and values were proposed by tpe, 4 at a time")
