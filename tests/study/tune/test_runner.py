"""A real local Ray with workers of their own around next to no training."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import ray

from results.tables.schema import INFEASIBLE
from study.errors import UserError
from study.journal.index import read_states
from study.journal.journal import read_journal
from study.journal.state import read_state
from study.layout import RunFolder
from study.retention import space
from study.retention.forecast import run_bytes
from study.run_folder.run_lock import run_lock
from study.schedule.workload import Workload
from study.status.remaining import work_left
from study.tune import searcher
from study.tune.runner import RunOptions, RunSummary, run_study
from study.tune.worker import configuration

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings(
        "ignore:.*subprocess .* is still running:ResourceWarning",  # Ray's own processes, ended by its shutdown
        "ignore:unclosed file:ResourceWarning",  # Ray's logs
    ),
]


@pytest.fixture
def run(start_ray, runners_on_path, make_plan, tmp_path):
    start_ray()

    def go(name="run", runner="train", changes=None, **options) -> tuple[RunFolder, RunSummary]:
        folder = RunFolder(tmp_path / name)
        plan = make_plan(**(changes or {}))
        where = runner if ":" in runner else f"orchestration_runners:{runner}"
        return folder, run_study(plan, folder, RunOptions(runner=where, **options))

    return go


def everything(completed: int, pruned: int = 0) -> RunSummary:
    return RunSummary(completed, pruned, diverged=0, failed=0, waiting=0, arms_without_choice=(), interrupted=False)


def test_one_worker_two_workers_and_a_simulation_find_the_same(run, make_plan, simulate):
    search = {"trials_per_arm": 4, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5}}
    one, summary = run("one", changes={"search": search}, max_concurrent=1)
    assert summary == everything(completed=3 * (1 + 2), pruned=3 * 3)
    two, summary = run("two", changes={"search": search})
    assert summary.complete
    simulated = simulate(make_plan(search=search), "simulated")
    simulated.run(workers=5, seed=1)
    assert simulated.results_of(one) == simulated.results_of(two) == simulated.results()


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (2, 7)])  # of two, one may find nothing to do and end its trial
def test_a_worker_goes_on_without_another_tune_trial_while_there_is_work(run, monkeypatch, at_once, most):
    reserved = []

    def noted(order, resources):
        reserved.append(order.trial_id)
        return configuration(order, resources)

    monkeypatch.setattr(searcher, "configuration", noted)
    _, summary = run(max_concurrent=at_once)
    assert summary == everything(completed=21)
    assert len(reserved) <= most


def test_a_run_keeps_its_workers_as_nice_as_the_command_and_tells_what_is_left(run):
    seen = []
    changes = {"search": {"trials_per_arm": 2}, "confirm": {"seeds": [1]}}
    folder, summary = run("run", "note_niceness", changes, listener=seen.append)
    assert summary == everything(completed=9)
    states = read_states(folder).values()
    assert {state.history.attempts for state in states} == {1}
    pids = Counter(event["pid"] for state in states for event in _started(folder, state))
    assert len(pids) <= 3
    assert not folder.ray.exists(), "nothing of the tuner is left"
    assert {path.read_text() for path in folder.trials.glob("*/niceness")} == {str(os.nice(0))}
    left = [sum(work.epochs for work in work_left(workload.progress)) for workload in seen]
    assert left == sorted(left, reverse=True)
    assert (seen[0].trials_done, left[-1], seen[-1].in_flight) == (0, 0, {})
    assert [workload.trials_done for workload in seen] == sorted(workload.trials_done for workload in seen)


def _started(folder, state):
    events = read_journal(folder.trial(state.history.trial_id).journal).events
    return [event for event in events if event["event"] == "started"]


def test_a_network_beside_the_study_file_reaches_the_workers(run, tmp_path):
    (tmp_path / "network_for_workers.py").write_text(
        "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))\n"
    )
    network = {"backbone": "network_for_workers:make", "points": ["0"], "folder": tmp_path}
    changes = {"network": network, "search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}}
    _, summary = run("own-network", "train_own_network", changes, max_concurrent=1)
    assert summary == everything(completed=6)


def test_a_finished_study_starts_nothing(run, make_plan, simulate, monkeypatch):
    done = simulate(make_plan())
    done.run(workers=4, seed=0)
    monkeypatch.setattr("study.tune.runner._tune", lambda *_: pytest.fail("nothing was to be done"))
    assert run_study(done.plan, done.folder) == everything(completed=21)


@pytest.mark.long
def test_killed_workers_are_replaced_and_their_trials_tried_again(run):
    folder, summary = run("killed", "train_and_die_once", {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}})
    assert summary == everything(completed=6)
    for state in read_states(folder).values():
        tune = state.history.planned["stage"] == "tune"
        assert [failure["kind"] for failure in state.history.failures] == (["killed"] if tune else [])
        assert state.history.attempts == (2 if tune else 1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("runner", "told"),
    [
        ("dying_runners:be_killed_with_modulation", "the worker ended without notice: "),
        ("dying_runners:fault_with_modulation", "the worker ended by a fault of its own: Segmentation fault, in "),
    ],
)
def test_a_trial_whose_worker_dies_every_time_is_infeasible_and_told_so(run, runner, told):
    changes = {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}}
    folder, summary = run("dying", runner, changes)
    assert summary.complete
    assert (summary.completed, summary.infeasible, summary.infeasible_arms) == (4, 1, ("late",))
    (history,) = (state.history for state in read_states(folder).values() if state.history.failures)
    assert [failure["kind"] for failure in history.failures] == ["killed"] * 3
    assert [failure.get("alone") for failure in history.failures] == [None, False, True]
    assert history.failures[-1]["message"].startswith(f"{INFEASIBLE}, alone on a machine: {told}")


@pytest.mark.long
def test_a_trial_that_hangs_is_ended_says_where_and_is_tried_again(run):
    changes = {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}, "resources": {"hang_after_s": 0.5}}
    folder, summary = run("hanging", "hang_once", changes)
    assert summary == everything(completed=6)
    failures = [failure for state in read_states(folder).values() for failure in state.history.failures]
    assert [failure["kind"] for failure in failures] == ["hung"]
    assert "no progress for 0.5 s (resources.hang_after_s); it hung in" in failures[0]["message"]
    assert failures[0]["message"].endswith("in hang_once")
    assert "most recent call first" in failures[0]["traceback"]
    assert list(folder.trials.glob("*/hang.txt")) == []


@pytest.mark.long
def test_a_worker_that_falls_silent_is_ended_and_its_trial_tried_again(run):
    changes = {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}, "resources": {"silence_s": 20}}
    folder, summary = run("silent", "stop_once", changes)
    assert summary == everything(completed=6)
    failures = [failure for state in read_states(folder).values() for failure in state.history.failures]
    assert [failure["kind"] for failure in failures] == ["hung"]
    assert failures[0]["message"].startswith("no sign of life for 20 s (resources.silence_s), on ")


@pytest.mark.long
def test_a_worker_stopped_before_it_begins_a_unit_is_ended_and_its_trial_tried_again(run):
    stopped = dict[str, str]()  # the state of a trial when it was handed out, and its id

    def stop(workload: Workload) -> None:
        """Stop the worker that is about to be sent a new trial, later one that is to go on from a rung."""
        for trial_id, journal in workload.in_flight.items():
            state = read_state(journal)
            kind = "new" if state is None else state.history.state
            if kind not in stopped and (worker := _last_worker(journal.parents[1])) is not None:
                stopped[kind] = trial_id
                worker.suspend()

    search = {"trials_per_arm": 2, "round_size": 2, "halving": {"rungs": [1], "keep": 0.5}}
    changes = {"search": search, "confirm": {"seeds": [1]}, "resources": {"silence_s": 20}}
    folder, summary = run("stopped", changes=changes, max_concurrent=1, listener=stop)
    assert summary == everything(completed=3 * (1 + 1), pruned=3)
    failed = {state.history.trial_id: state.history.failures for state in read_states(folder).values()}
    failed = {trial_id: failures for trial_id, failures in failed.items() if failures}
    assert {"new", "paused"} <= stopped.keys()
    assert set(failed) == set(stopped.values())
    for failure in (failure for failures in failed.values() for failure in failures):
        assert failure["kind"] == "hung"
        assert failure["message"].startswith("no sign of life for 20 s (resources.silence_s), on ")


@pytest.mark.long
def test_a_worker_stopped_while_its_process_comes_up_is_ended_and_its_trial_tried_again(run, monkeypatch):
    from stopped_workers import StoppedOnce

    monkeypatch.setattr("study.tune.worker.Worker", StoppedOnce)
    monkeypatch.setattr("study.tune.silence.STARTING_S", 60.0)
    changes = {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}, "resources": {"silence_s": 20}}
    folder, summary = run("starting", changes=changes, max_concurrent=1)
    assert summary == everything(completed=6)
    (history,) = (state.history for state in read_states(folder).values() if state.history.failures)
    (failure,) = history.failures
    assert failure["kind"] == "hung"
    assert failure.get("epoch") is None, "the trial had not begun"
    assert failure["message"].startswith("the worker did not come up within 60 s (resources.silence_s), on ")


def _last_worker(trials: Path) -> psutil.Process | None:
    """Return the worker that began an attempt last, if it is there."""
    events = [event for path in trials.glob("*/journal.jsonl") for event in read_journal(path).events]
    starts = [event for event in events if event["event"] == "started"]
    pid = max(starts, key=lambda event: event["time"])["pid"] if starts else None
    return psutil.Process(pid) if pid is not None and psutil.pid_exists(pid) else None


def test_failures_are_counted_by_what_they_are_and_the_rest_goes_on(run):
    changes = {"search": {"trials_per_arm": 1}, "confirm": {"seeds": [1]}, "resources": {"retries": 0}}
    _, summary = run("failing", "train_or_fail", changes, max_concurrent=1)
    assert summary == RunSummary(
        completed=2, pruned=0, diverged=1, failed=1, waiting=1, arms_without_choice=("separate",), interrupted=False
    )
    assert not summary.complete


def test_a_trial_that_fits_no_node_is_refused(run):
    with pytest.raises(UserError, match=r"resources: a trial needs cpus 4096 .* no node has as many"):
        run(changes={"resources": {"cpus": 4096}})


def test_a_run_is_refused_where_the_trials_that_ray_fits_would_fill_the_disk(run, make_plan, monkeypatch):
    fitting = int(ray.cluster_resources()["CPU"])
    free = run_bytes(make_plan(), fitting).total - 1
    monkeypatch.setattr(space, "_LEAST_BYTES", 0)
    monkeypatch.setattr(space, "shutil", SimpleNamespace(disk_usage=lambda _path: SimpleNamespace(free=free)))
    with pytest.raises(UserError, match="weights and checkpoints of this study need about"):
        run("all")
    _, summary = run("one", max_concurrent=1)
    assert summary == everything(completed=21)


def test_one_driver_at_a_time(run, tmp_path):
    with (
        run_lock(RunFolder(tmp_path / "held")),
        pytest.raises(UserError, match=r"held: this study is already being run by process \d+ on "),
    ):
        run("held")
    assert ray.is_initialized()
