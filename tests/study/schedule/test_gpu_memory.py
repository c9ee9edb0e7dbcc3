"""A trial that runs out of GPU memory is tried once more, alone on a GPU; one that fails alone is infeasible."""

from __future__ import annotations

from collections import Counter

import pytest

from results.analysis.reported import read_results
from results.report.opening import Origin, opening
from results.tables.schema import INFEASIBLE
from results.tables.store import read_table
from study.collect.collect import collect
from study.commands.status import _lines
from study.journal.journal import read_journal, sealed_line
from study.plan.document import write_plan
from study.schedule.units import Resources
from study.session.running import _verdict
from study.status.monitoring import train_again
from study.status.status import study_status
from study.study import Study
from study.tune.runner import _summary

HALF = {"resources": {"gpus": 0.5, "retries": 0}, "search": {"trials_per_arm": 2, "round_size": 2}}
HALVING = {"trials_per_arm": 4, "round_size": 4, "halving": {"rungs": [2], "keep": 0.5}}


def histories(run, arm=None):
    found = [state.history for state in run.dispatcher.states.values()]
    return [history for history in found if arm is None or history.planned["arm"]["name"] == arm]


def failures(history):
    return [(failure["kind"], failure["alone"]) for failure in history.failures]


def test_a_trial_too_large_for_its_share_is_trained_alone(make_plan, simulate):
    run = simulate(make_plan(**HALF), runner="orchestration_runners:fill_the_share")
    ended = run.run(workers=3, seed=0)
    assert {history.state for history in histories(run)} == {"completed"}
    for history in histories(run):
        assert failures(history) == [("out_of_memory", False)]
        assert history.failures[0]["message"].startswith("with 0.5 of a GPU, tried again alone: CUDA out of memory")
        shares = (run.folder.trial(history.trial_id).path / "shares").read_text().split()
        assert shares == ["0.5", "1.0"]
    assert {(unit.alone, run.dispatcher.resources(unit).gpus) for unit in ended} == {(False, 0.5), (True, 1.0)}
    assert run.dispatcher.stopped == {}


def test_a_fused_unit_is_trained_alone_with_the_same_members(make_plan, simulate):
    run = simulate(make_plan(**HALF, compute={"fused": 2}), runner="orchestration_runners:fill_the_share")
    ended = run.run(workers=3, seed=0)
    assert {history.state for history in histories(run)} == {"completed"}
    shared, alone = (
        {tuple(trial and trial.trial_id for trial in unit.slots) for unit in ended if unit.alone == wanted}
        for wanted in (False, True)
    )
    assert alone == shared
    assert any(None not in slots for slots in alone)
    assert all(failures(history) == [("out_of_memory", False)] for history in histories(run))


def test_a_fused_unit_that_fails_alone_is_infeasible_as_a_whole(make_plan, simulate):
    runner = "orchestration_runners:fit_no_gpu_with_modulation"
    run = simulate(make_plan(**HALF, compute={"fused": 2}), runner=runner)
    run.run(workers=2, seed=0)
    assert [history.state for history in histories(run, "late")] == ["infeasible"] * 2
    assert all(failures(history)[-1] == ("out_of_memory", True) for history in histories(run, "late"))


def test_a_trial_that_needs_a_whole_gpu_waits_for_the_others(make_plan, simulate):
    run = simulate(make_plan(**HALF), runner="orchestration_runners:fill_the_share")
    first = run.dispatcher.next_unit()
    run.finish(first)
    handed_out = list(iter(run.dispatcher.next_unit, None))
    assert handed_out[-1].trial == first.trial
    assert [unit.alone for unit in handed_out] == [False] * 5 + [True]


def test_a_whole_gpu_is_no_more_than_the_share_of_trials_that_have_one_or_more(make_plan, simulate):
    run = simulate(make_plan(resources={"gpus": 2}))
    unit = run.dispatcher.next_unit()
    assert run.dispatcher.resources(unit) == Resources(1, 2)


@pytest.fixture
def infeasible(make_plan, simulate):
    """A study of which one arm fits no GPU."""
    run = simulate(make_plan(**HALF), runner="orchestration_runners:fit_no_gpu_with_modulation")
    write_plan(run.plan, run.folder)
    run.run(workers=3, seed=0)
    return run


def test_a_trial_that_fails_alone_is_infeasible_and_never_tried_again(infeasible, simulate):
    for history in histories(infeasible, "late"):
        assert history.state == "infeasible"
        assert failures(history) == [("out_of_memory", False), ("out_of_memory", True)]
        assert history.failures[1]["message"].startswith(f"{INFEASIBLE}, alone on a GPU: CUDA out of memory")
    assert infeasible.dispatcher.exhausted
    again = simulate(infeasible.plan)
    assert again.dispatcher.exhausted
    assert again.dispatcher.workload().trials_done == again.dispatcher.workload().trials_total
    assert Counter(history.state for history in histories(again)) == {"completed": 8, "infeasible": 2}


def test_an_arm_without_a_feasible_trial_says_so_everywhere(infeasible):
    (late,) = (arm for arm in infeasible.dispatcher.arms.values() if arm.tune[0].arm.name == "late")
    cause = f"out_of_memory: {INFEASIBLE}, alone on a GPU: CUDA out of memory. Tried to allocate 2.00 TiB."
    assert late.failure == f"none of its 2 tune trials can finish here: {cause}"
    lines = "\n".join(_lines(study_status(infeasible.dispatcher.workload().progress, 0.0), "modstudy run x"))
    assert f"stuck: late: {late.failure}" in lines
    assert f"final: {INFEASIBLE}, alone on a GPU: CUDA out of memory" in lines
    collect(infeasible.folder)
    trials, failed = (read_table(infeasible.folder.tables, name) for name in ("trials", "failures"))
    assert set(trials[trials["arm"] == "late"]["state"]) == {"failed"}
    assert list(failed["kind"]) == ["out_of_memory"] * 4
    assert sum(failed["message"].str.startswith(INFEASIBLE)) == 2
    report = opening(read_results(infeasible.folder.tables), (), Origin(), ())
    assert "late has no result, because all its 2 tune trials failed (out of memory); none of them can finish" in report
    assert "shared has no result" not in report


def test_the_run_ends_complete_and_names_the_arm_and_the_way_out(infeasible, tmp_path):
    summary = _summary(infeasible.dispatcher, interrupted=False)
    assert summary.complete
    assert (summary.failed, summary.infeasible, summary.arms_without_choice) == (0, 2, ("late",))
    line, lost = _verdict(Study(infeasible.plan.definition, runs=tmp_path).target, summary)
    assert line.startswith("late: none of its tune trials can finish here (on other machines, or ")
    assert ".run(retrain=True)" in line
    assert lost.startswith("2 infeasible: these trials have no result, ")


def test_retrain_tries_infeasible_trials_again(infeasible, simulate):
    progress = infeasible.dispatcher.workload().progress
    assert {trial.trial.arm.name for trial in progress.infeasible} == {"late"}
    train_again(progress.infeasible, infeasible.folder)
    larger = simulate(infeasible.plan)
    larger.run(workers=2, seed=0)
    calm = simulate(infeasible.plan, "calm")
    calm.run(workers=2, seed=0)
    assert larger.results() == calm.results()


def test_the_wish_to_be_alone_outlives_the_driver(make_plan, simulate):
    run = simulate(make_plan(**HALF), runner="orchestration_runners:fill_the_share")
    run.finish(run.dispatcher.next_unit())
    (first,) = histories(run)
    again = simulate(run.plan, runner="orchestration_runners:fill_the_share")
    units = {unit.trial.trial_id: unit for unit in iter(again.dispatcher.next_unit, None)}
    assert [trial_id for trial_id, unit in units.items() if unit.alone] == [first.trial_id]


def test_pruned_trials_take_the_places_of_infeasible_ones_as_of_diverged_ones(make_plan, simulate):
    run = simulate(make_plan(**{**HALF, "search": HALVING}), runner="orchestration_runners:fit_no_gpu_later_on")
    run.run(workers=3, seed=0)
    late = histories(run, "late")
    assert [(history.state, history.epoch, len(history.failures)) for history in late] == [("infeasible", 3, 2)] * 4
    assert run.dispatcher.workload().failed == 0


def test_lost_lines_of_an_infeasible_trial_are_restored_and_its_end_stands(make_plan, simulate):
    plan = make_plan(**{**HALF, "search": {"trials_per_arm": 1}})
    run = simulate(plan, runner="orchestration_runners:fit_no_gpu_later_on")
    run.run(workers=3, seed=0)
    (history,) = histories(run, "late")
    journal = run.folder.trial(history.trial_id).journal
    kept = [event for event in read_journal(journal).events if event.get("epoch") != 2]
    journal.write_text("".join(map(sealed_line, kept)))
    (run.folder.trial(history.trial_id).path / "checkpoint.pt").unlink()
    again = simulate(plan, runner="orchestration_runners:fit_no_gpu_later_on")
    again.run(workers=3, seed=0)
    (mended,) = histories(again, "late")
    assert (mended.state, mended.is_whole, len(mended.failures)) == ("infeasible", True, 2)
