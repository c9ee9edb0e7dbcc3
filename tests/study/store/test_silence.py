"""Which workers of a study in a store count as silent; a real stopped process is in ``test_run_on_s3``."""

from __future__ import annotations

import time

import pytest

from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.schedule.dispatch import Dispatcher
from study.schedule.hang_watch import ended_when_hung
from study.schedule.signs_of_life import StoreSigns, signs_of_life, tell_every_s
from study.store.beats import telling_the_store
from study.store.working_copy import open_copy
from study.tune.losses import TrialActor
from study.tune.orders import Orders
from study.tune.silence import SilenceWatch
from trainables.foundation.pulse import beat, heard_by

pytestmark = pytest.mark.usefixtures("apart")
LIMIT_S = 0.2


class Watching:
    """A driver that has handed out a unit, and the copy in which its worker writes."""

    def __init__(self, plan, url, home, monkeypatch) -> None:
        self.driver, worker = open_copy(url, "driver", home), open_copy(url, "worker", home)
        folder = RunFolder(self.driver.path, url)
        self.unit = Dispatcher(plan, folder, {}).next_unit()
        self.seen = folder.trial(self.unit.trial.trial_id)
        self.trial = RunFolder(worker.path, url).trial(self.unit.trial.trial_id)
        signs = signs_of_life(folder)
        assert isinstance(signs, StoreSigns)
        self.workers: dict[str, TrialActor] = {}
        self.watch = SilenceWatch(signs, LIMIT_S, self.workers.get)
        self.ended: list[str] = []
        monkeypatch.setattr(self.watch, "_end", lambda _tune_id, worker: self.ended.append(worker.actor_id))

    def hand_out(self, worker: str | None = "worker") -> None:
        self.watch.handed_out("tune-id", self.unit)
        if worker is not None:
            self.workers["tune-id"] = TrialActor(worker)

    def begin(self, attempt: int) -> None:
        with JournalWriter(self.trial.journal) as journal:
            if attempt == 1:
                journal.append("planned", **self.unit.trial.planned_event("tiny"))
            journal.append("started", attempt=attempt, from_epoch=0, host="h", pid=attempt, node="n", versions={})

    def after_silence(self) -> list[str]:
        self.watch.look()
        time.sleep(1.5 * LIMIT_S)
        self.watch.look()
        return self.ended


@pytest.fixture
def watching(s3, s3_url, make_plan, tmp_path, monkeypatch):
    return Watching(make_plan(), s3_url, tmp_path / "cache", monkeypatch)


def test_a_unit_is_silent_only_after_its_worker_is_up_and_not_once_it_has_ended(watching, s3):
    watching.begin(attempt=1)
    watching.driver.fetch()  # the first attempt has ended, and the driver has read its journal
    watching.hand_out(worker=None)
    s3.seen.clear()
    assert watching.after_silence() == [], "it waits for a worker"
    assert s3.seen == []
    watching.hand_out()
    assert watching.after_silence() == ["worker"], "it has not begun"
    watching.hand_out("another")
    watching.begin(attempt=2)
    assert watching.after_silence() == ["worker", "another"]
    watching.watch.take("tune-id")
    assert watching.after_silence() == ["worker", "another"], "it has ended"


def test_a_unit_that_is_over_is_not_silent(watching):
    watching.hand_out()
    watching.begin(attempt=1)
    with JournalWriter(watching.trial.journal) as journal:
        journal.append("paused", epoch=1, objective=0.5, rungs=[1])
    assert watching.after_silence() == [], "it has ended, and will be told soon"


def test_a_worker_that_steps_writes_a_sign_of_life_between_two_lines(watching, s3):
    watching.hand_out()
    watching.begin(attempt=1)
    s3.seen.clear()
    end, looks = time.monotonic() + 4 * LIMIT_S, 0
    with (
        telling_the_store(watching.trial.hang, tell_every_s(LIMIT_S)) as tell,
        ended_when_hung(watching.trial.hang, LIMIT_S / 2, tell),
    ):
        while time.monotonic() < end:
            beat()
            time.sleep(LIMIT_S / 100)
            if time.monotonic() > end - 4 * LIMIT_S + looks * tell_every_s(LIMIT_S):
                watching.watch.look()
                looks += 1
    assert watching.ended == []
    assert sum(method == "PUT" for method, _ in s3.seen) <= looks + 1
    assert sum(method == "GET" for method, _ in s3.seen) <= 2 * looks
    assert watching.driver.read(watching.seen.hang) is None, "nothing is left"
    assert watching.after_silence() == ["worker"]


def test_a_short_trial_writes_no_sign_of_life(watching, s3):
    watching.trial.path.mkdir(parents=True)
    s3.seen.clear()
    with telling_the_store(watching.trial.hang, 60) as tell:
        tell()
    assert s3.seen == []


def test_a_sign_of_life_that_cannot_be_written_ends_no_trial_and_calls_for_no_other(watching, s3):
    watching.trial.path.mkdir(parents=True)
    with telling_the_store(watching.trial.hang, 0.0) as tell, heard_by(tell):  # repeated requests are signs of life
        s3.answers[:] = [500] * 10_000
        s3.seen.clear()
        beat()
        assert 1 < len(s3.seen) < 20
        s3.calm()
        beat()
    assert [method for method, _ in s3.seen].count("PUT") == 1


def test_a_store_that_does_not_answer_makes_nobody_silent(watching, s3):
    watching.hand_out()
    watching.begin(attempt=1)
    watching.watch.look()
    s3.answers[:] = [500] * 10_000
    time.sleep(1.5 * LIMIT_S)
    watching.watch.look()
    s3.calm()
    watching.watch.look()
    assert watching.ended == []
    assert watching.after_silence() == ["worker"]


def test_workers_in_a_folder_write_no_objects(make_plan, tmp_path):
    plan = make_plan(resources={"silence_s": 100})
    unit = Dispatcher(plan, RunFolder(tmp_path), {}).next_unit()
    for url, seconds in (("", None), ("s3://bucket/runs/shoes", 25)):
        orders = Orders(plan, RunFolder(tmp_path, url), "module:function", {})
        assert orders.of(unit, gpus=0).tell_every_s == seconds
