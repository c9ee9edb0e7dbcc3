"""When a unit counts as silent; that its worker then ends is in ``test_runner``."""

from __future__ import annotations

import time

from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.schedule.dispatch import Dispatcher
from study.schedule.signs_of_life import FolderSigns
from study.tune.silence import SilenceWatch


def test_a_unit_is_silent_only_after_its_own_worker_has_begun(make_plan, tmp_path, monkeypatch):
    folder, ended = RunFolder(tmp_path / "run"), []
    unit = Dispatcher(make_plan(), folder, {}).next_unit()
    note = folder.trial(unit.trial.trial_id).hang
    note.parent.mkdir(parents=True)
    note.touch()  # left by a worker that was killed with its driver
    watch = SilenceWatch(FolderSigns(folder), limit_s=0.02)
    monkeypatch.setattr(watch, "_end", lambda tune_id, _started: ended.append(tune_id))
    with JournalWriter(folder.trial(unit.trial.trial_id).journal) as journal:
        journal.append("planned", **unit.trial.planned_event("tiny"))
        journal.append("started", attempt=1, from_epoch=0, host="here", pid=1, node="node", versions={})

    def look_twice() -> list[str]:
        for _ in range(2):
            time.sleep(0.05)
            watch.look()
        return ended

    watch.handed_out("tune-id", unit)
    assert look_twice() == [], "it waits for a worker"
    note.touch()
    assert look_twice() == ["tune-id"]
    note.unlink()
    assert look_twice() == ["tune-id"], "it has ended, and will be told soon"
