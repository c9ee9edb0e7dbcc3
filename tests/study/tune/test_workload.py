from __future__ import annotations

from study.journal import JournalWriter
from study.workload import Pace, UnitInFlight, Workload


def test_time_left_follows_the_work_since_the_start_of_this_run():
    pace = Pace(started=100.0, done_at_start=50.0)
    workload = Workload(done=60.0, left=40.0, trials_done=1, trials_total=9, failed=0)
    assert pace.seconds_left(workload, done_now=70.0, now=110.0) == 15.0  # 20 in 10 s, 30 to go


def test_time_left_is_unknown_at_first_and_zero_at_last():
    pace = Pace(started=0.0, done_at_start=0.0)
    assert pace.seconds_left(Workload(0, 10, 0, 1, 0), done_now=0.0, now=5.0) is None
    assert pace.seconds_left(Workload(10, 0, 1, 1, 0), done_now=10.0, now=5.0) == 0.0


def test_epochs_of_a_running_trial_count_by_what_they_cost(tmp_path):
    with JournalWriter(tmp_path / "journal.jsonl") as journal:
        journal.append("planned", trial_id="a")
        for epoch in (1, 2, 3):
            journal.append("epoch", epoch=epoch, seconds=1.0, metrics={})
    running = UnitInFlight("a", "late tune 0", tmp_path / "journal.jsonl", 7.0, epochs_before=1, epochs_wanted=4)
    waiting = UnitInFlight("b", "late tune 1", tmp_path / "none.jsonl", 7.0, epochs_before=0, epochs_wanted=4)
    assert (running.work_since(), waiting.work_since()) == (14.0, 0.0)
    assert Workload(7.0, 100.0, 0, 2, 0, (running, waiting)).done_now() == 21.0
