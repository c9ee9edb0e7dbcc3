"""A study in a store: the real driver and worker code, each in a copy of its own, meeting in the store alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from study.collect.collect import write_progress
from study.journal.index import read_states
from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.plan.plan import plan_trial
from study.retention import space
from study.retention.removal import apply_retention
from study.run_folder.place import refreshed, run_folder_at
from study.run_folder.stored import driven, publish
from study.schedule.dispatch import Dispatcher
from study.schedule.progress import read_progress
from study.store import objects, working_copy
from study.store.segments import LostJournalError
from study.store.working_copy import WorkingCopy, open_copy, trial_at_hand
from study.tune.execution import TrialFailedError, WorkOrder, execute
from trainables.foundation.files import write_atomically

pytestmark = pytest.mark.usefixtures("apart")


class Simulated:
    """A driver in its copy; workers, on nodes that may be lost, in theirs."""

    def __init__(self, url: str, plan, cache: Path) -> None:
        self.url, self.plan, self.cache = url, plan, cache
        self.copy = open_copy(url, "driver", cache)
        self.copy.fetch()
        self.folder = RunFolder(self.copy.path, url)
        self.dispatcher = Dispatcher(plan, self.folder, read_states(self.folder))

    def order(self, unit, runner="train") -> WorkOrder:
        event = unit.trial.planned_event(self.plan.definition.name, self.plan.definition.confirm.seeds)
        return WorkOrder(
            "/of the driver alone", event, unit.until_epoch, "triplet_accuracy", "query",
            f"orchestration_runners:{runner}", store=self.url,
        )  # fmt: skip

    def run(self, units=None, runner="train"):
        done = 0
        while units is None or done < units:
            unit = self.dispatcher.next_unit()
            if unit is None:
                return
            try:
                execute(self.order(unit, runner))
            except (TrialFailedError, OSError):
                self.dispatcher.ended(unit, crashed=True)
            else:
                self.dispatcher.ended(unit, crashed=False)
            done += 1


SMALL = {
    "search": {"trials_per_arm": 2, "round_size": 2, "halving": {"rungs": [1], "keep": 0.5}},
    "confirm": {"seeds": [1]},
}


def test_a_study_in_a_store_finds_what_one_in_a_folder_finds_also_after_every_machine_is_lost(
    s3_url, make_plan, simulate, tmp_path, runners_on_path
):
    plan = make_plan(**SMALL)
    calm = simulate(plan, "calm")
    calm.run(workers=1, seed=0)
    Simulated(s3_url, plan, tmp_path / "cache").run(units=5)
    working_copy._copies.clear()
    elsewhere = tmp_path / "another machine"
    os.environ["MODSTUDY_CACHE"] = str(elsewhere)
    second = Simulated(s3_url, plan, elsewhere)
    assert second.dispatcher.states, "what the first machine did is known here"
    second.run()
    assert second.dispatcher.exhausted
    assert calm.results_of(second.folder) == calm.results()
    attempts = {state.history.attempts for state in read_states(second.folder).values()}
    assert attempts <= {1, 2}, "no rung was trained twice"
    keys = second.copy.store.keys("trials")
    assert len(keys) <= 3 * len(read_states(second.folder)), "a trial that ended has one object and a last segment"
    write_progress(second.folder, read_progress(second.folder, plan))
    second.copy.put_rest()
    for own in (second.folder.journal_index, second.folder.table_index):
        assert own.exists()
        assert own.name not in second.copy.store.keys(""), "each machine reads for itself"


def test_a_node_keeps_no_file_of_a_trial_that_the_store_has(s3_url, tmp_path):
    worker = open_copy(s3_url, "worker", tmp_path / "cache")
    checkpoint, weights = (worker.path / "trials" / "t" / name for name in ("checkpoint.pt", "weights.safetensors"))
    with trial_at_hand(weights.parent):
        for path in (checkpoint, weights):
            write_atomically(path, lambda file: file.write(b"tensors"))
        checkpoint.unlink()
    assert worker.store.keys("trials") == ["trials/t/weights.safetensors"]
    assert not weights.exists()
    with trial_at_hand(weights.parent):
        assert weights.read_bytes() == b"tensors"


def test_retention_deletes_from_the_store_what_is_there_and_asks_for_nothing_else(
    s3, s3_url, make_plan, tmp_path, monkeypatch
):
    plan = make_plan(retention={"weights": "none"})
    copy = open_copy(s3_url, "driver", tmp_path / "cache")
    folder = RunFolder(copy.path, s3_url)
    trials = [
        plan_trial(plan, arm, stage="tune", round_=0, index=0, nuisance={"learning_rate": 0.01}, train_seed=0)
        for arm in plan.arms
    ]
    weights = f"trials/{trials[0].trial_id}/weights.safetensors"
    copy.store.write(weights, b"tensors")
    for removed in (1, 0):
        s3.seen.clear()
        assert apply_retention(folder, plan, trials, pd.DataFrame()) == removed
        assert [method for method, _ in s3.seen].count("DELETE") == removed
    assert copy.store.read(weights) is None
    monkeypatch.setattr(space, "run_space", lambda *_: pytest.fail("a store has room"))
    space.refuse_too_little_space(folder, plan)


def test_a_reader_writes_nothing_and_forgets_journals_that_are_gone(s3, s3_url, tmp_path):
    driver = open_copy(s3_url, "driver", tmp_path / "cache")
    for name in ("trials/a", "trials/b", "."):
        with JournalWriter(driver.path / name / ("rounds.jsonl" if name == "." else "journal.jsonl")) as journal:
            journal.append("drawn")
    s3.seen.clear()
    read = run_folder_at(Path(s3_url))
    assert (read.rounds.is_file(), len(list(read.trials.glob("*/journal.jsonl")))) == (True, 2)
    for key in driver.store.keys(""):
        if "trials/b" not in key:
            driver.store.delete(key)
    assert [path.parent.name for path in refreshed(read).trials.glob("*/journal.jsonl")] == ["b"]
    assert not read.rounds.exists()
    assert not any(method == "PUT" for method, _ in s3.seen)


def test_readers_on_one_machine_fetch_one_after_another(s3_url, tmp_path, monkeypatch):
    copies = [WorkingCopy(objects.ObjectStore(s3_url), tmp_path) for _ in range(2)]
    start, inside, most = threading.Barrier(2), [], []

    def listed(_prefix):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        inside.pop()
        return []

    def fetch(copy):
        start.wait()
        copy.fetch()

    for copy in copies:
        monkeypatch.setattr(copy.store, "keys", listed)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fetch, copies))
    assert most == [1, 1]


def test_a_driver_that_resumes_puts_what_has_changed(s3, s3_url, tmp_path):
    copy = open_copy(s3_url, "driver", tmp_path / "cache")
    for name in ("plan.json", "study.yaml"):
        (copy.path / name).write_text("1")
    copy.put_rest()
    again = WorkingCopy(copy.store, copy.path)
    again.fetch()
    (copy.path / "plan.json").write_text("two")
    s3.seen.clear()
    again.put_rest()
    assert [path.rpartition("/")[2] for method, path in s3.seen if method == "PUT"] == ["plan.json"]


@pytest.mark.long
def test_a_server_that_fails_now_and_then_changes_no_result(s3, s3_url, make_plan, simulate, tmp_path):
    plan = make_plan(**SMALL)
    calm = simulate(plan, "calm")
    calm.run(workers=1, seed=0)
    stormy = Simulated(s3_url, plan, tmp_path / "cache")
    s3.answers[:] = [(500 if number % 7 == 3 else 503 if number % 11 == 5 else 200) for number in range(4000)]
    stormy.run()
    s3.answers.clear()
    assert calm.results_of(stormy.folder) == calm.results()


def test_a_worker_left_behind_by_a_lost_node_writes_nothing_more(s3_url, make_plan, tmp_path, runners_on_path):
    run = Simulated(s3_url, make_plan(), tmp_path / "cache")
    order = run.order(run.dispatcher.next_unit())
    worker = open_copy(s3_url, "worker", tmp_path / "cache")
    journal = worker.path / "trials" / order.trial_id / "journal.jsonl"
    with JournalWriter(journal) as left_behind:
        left_behind.append("planned", **order.planned)
        assert execute(order) == "completed"
        with pytest.raises(LostJournalError, match="another process has written to this journal"):  # noqa: PT012
            for _ in range(9):
                left_behind.append("epoch", epoch=1, seconds=1.0, metrics={})
    run.copy.fetch()
    (state,) = read_states(run.folder).values()
    assert state.history.state == "completed"
    assert state.history.torn == 0


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from study.store.working_copy import open_copy
from study.tune.execution import WorkOrder, execute

order, left = WorkOrder.from_json(sys.argv[1]), [int(sys.argv[2])]
store = open_copy(order.store, "worker", Path(os.environ["MODSTUDY_CACHE"]).resolve()).store
for name in ("create", "write", "delete"):
    def mortal(*given, change=getattr(store, name)):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*given)
    setattr(store, name, mortal)
execute(order)
"""


@pytest.mark.long
def test_killed_before_any_change_of_the_store_the_trial_goes_on_from_there(
    s3_url, make_plan, simulate, tmp_path, runners_on_path
):
    plan = make_plan()
    calm = simulate(plan, "calm")
    calm.run(workers=1, seed=0, units=1)
    paths = os.pathsep.join((str(Path(__file__).parents[3]), str(Path(__file__).parents[1] / "runners")))
    for at in (1, 2, 4, 6, 8, 10, 12):
        run = Simulated(f"{s3_url}-{at}", plan, tmp_path / "cache")
        unit = run.dispatcher.next_unit()
        order = run.order(unit)
        done = subprocess.run(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", KILLED_AT, order.to_json(), str(at)],
            env=os.environ | {"PYTHONPATH": paths},
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        assert execute(order) == "completed"
        run.copy.fetch()
        assert calm.results_of(run.folder) == calm.results()


def test_a_local_folder_has_no_copy_and_pays_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with driven(folder) as here:
        assert here is folder
    publish(folder)
    assert working_copy.copy_of(tmp_path) is None
    assert not list(tmp_path.glob("cache*"))
    assert replace(folder).shown == str(tmp_path / "run")
