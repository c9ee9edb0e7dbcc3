"""When a unit counts as silent; that its worker then ends is in ``test_runner``."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.schedule.dispatch import Dispatcher
from study.schedule.signs_of_life import FolderSigns
from study.tune.losses import TrialActor
from study.tune.silence import SilenceWatch


@pytest.fixture
def watched(make_plan, tmp_path, monkeypatch) -> SimpleNamespace:
    """A unit that is handed out, and a watch that only notes whom it would end."""
    folder, ended, workers = RunFolder(tmp_path / "run"), [], {}
    unit = Dispatcher(make_plan(), folder, {}).next_unit()
    watch = SilenceWatch(FolderSigns(folder), limit_s=0.02, worker_of=workers.get)
    monkeypatch.setattr("study.tune.silence.STARTING_S", 3.0)
    monkeypatch.setattr(watch, "_end", lambda _tune_id, worker: ended.append(worker.actor_id))
    trial = folder.trial(unit.trial.trial_id)

    def look_twice() -> list[str]:
        for _ in range(2):
            time.sleep(0.05)
            watch.look()
        return ended

    with JournalWriter(trial.journal) as journal:
        journal.append("planned", **unit.trial.planned_event("tiny"))

        def begin() -> None:
            journal.append("started", attempt=1, from_epoch=0, host="h", pid=1, node="n", versions={})

        yield SimpleNamespace(
            watch=watch,
            unit=unit,
            trial=trial,
            journal=journal,
            begin=begin,
            look_twice=look_twice,
            workers=workers,
            ended=ended,
        )


def test_a_unit_is_silent_only_after_its_worker_is_up_and_not_once_it_has_ended(watched):
    watched.begin()
    watched.trial.hang.touch()  # both left by a worker that was killed with its driver
    watched.watch.handed_out("tune-id", watched.unit)
    assert watched.look_twice() == [], "it waits for a worker"
    watched.workers["tune-id"] = TrialActor("worker")
    watched.watch.look()
    watched.begin()
    watched.watch.look()
    watched.journal.append("paused", epoch=1, objective=0.5, rungs=[1])
    watched.trial.hang.unlink()
    assert watched.look_twice() == [], "it has ended, and will be told soon"


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_worker_that_is_up_and_silent_is_ended_whether_it_has_begun_or_not(watched, has_begun):
    watched.journal.append("paused", epoch=1, objective=0.5, rungs=[1])  # at an earlier rung
    watched.watch.handed_out("tune-id", watched.unit)
    watched.workers["tune-id"] = TrialActor("worker")
    if has_begun:
        watched.begin()
    assert watched.look_twice() == ["worker"]


def test_a_worker_that_does_not_come_up_is_ended_after_a_time_of_its_own(watched):
    watched.watch.handed_out("tune-id", watched.unit)
    watched.workers["tune-id"] = TrialActor("worker", is_up=False)
    assert watched.look_twice() == [], "its process may import from slow storage"
    time.sleep(3.2)
    watched.workers["tune-id"] = TrialActor("other", is_up=False)
    assert watched.look_twice() == [], "another process counts anew"
    time.sleep(3.2)
    assert watched.look_twice() == ["other"]


def test_a_worker_that_has_come_up_counts_from_then(watched):
    watched.watch.handed_out("tune-id", watched.unit)
    watched.workers["tune-id"] = TrialActor("worker", is_up=False)
    assert watched.look_twice() == []
    watched.workers["tune-id"] = TrialActor("worker")
    watched.watch.look()
    assert watched.ended == []
    assert set(watched.look_twice()) == {"worker"}
