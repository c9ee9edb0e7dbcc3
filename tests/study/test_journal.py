from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from study.journal import Event, JournalWriter, derive_history, read_history, read_journal

PLANNED: Event = {"event": "planned", "time": 0.0, "trial_id": "t1"}


def started(time: float, attempt: int = 1) -> Event:
    return {"event": "started", "time": time, "attempt": attempt, "host": f"node{attempt}", "versions": {"torch": "2"}}


def epoch(number: int, time: float, loss: float = 0.5) -> Event:
    return {"event": "epoch", "time": time, "epoch": number, "seconds": 2.0, "metrics": {"train/loss": loss}}


def failed(kind: str, time: float) -> Event:
    return {"event": "failed", "time": time, "kind": kind, "message": "why", "traceback": "where"}


PAUSED: Event = {"event": "paused", "time": 5.0, "epoch": 1, "objective": 0.6}
PRUNED: Event = {"event": "pruned", "time": 6.0, "epoch": 1, "objective": 0.6}
FINISHED: Event = {"event": "finished", "time": 9.0, "epochs_run": 2, "objective": 0.7, "task_metrics": []}


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "waiting"),
        ([started(1)], "running"),
        ([started(1), epoch(1, 2)], "running"),
        ([started(1), epoch(1, 2), PAUSED], "paused"),
        ([started(1), PAUSED, PRUNED], "pruned"),
        ([started(1), PAUSED, started(6, 2)], "running"),
        ([started(1), PAUSED, PRUNED, started(7, 2), FINISHED], "completed"),
        ([started(1), epoch(1, 2), FINISHED], "completed"),
        ([started(1), failed("crashed", 2)], "failed"),
        ([started(1), failed("crashed", 2), started(3, 2)], "running"),
        ([started(1), failed("crashed", 2), started(3, 2), FINISHED], "completed"),
        ([started(1), failed("diverged", 2)], "diverged"),
        ([started(1), failed("diverged", 2), started(3, 2)], "diverged"),
        ([started(1), FINISHED, started(10, 2)], "completed"),
        ([started(1), FINISHED, failed("crashed", 10)], "completed"),
        ([started(1), epoch(1, 2), dict(PLANNED, time=3.0)], "running"),
        ([epoch(1, 2)], "running"),  # the line of the start was torn
        ([started(1), {"event": "something new", "time": 2.0}], "running"),
    ],
)
def test_state_after_events(events: list[Event], state: str) -> None:
    history = derive_history([PLANNED, *events])
    assert history is not None
    assert history.state == state
    assert history.is_final == (state in ("completed", "diverged"))


def test_a_trial_without_its_plan_is_unknown() -> None:
    assert derive_history([started(1), FINISHED]) is None
    assert derive_history([]) is None


def test_history_counts_attempts_epochs_and_time() -> None:
    events = [
        PLANNED,
        started(10),
        epoch(1, 12, loss=0.9),
        failed("crashed", 13),
        started(100, attempt=2),
        epoch(1, 102, loss=0.8),
        epoch(2, 104),
        dict(FINISHED, time=105.0),
    ]
    history = derive_history(events, torn=2)
    assert history is not None
    assert (history.attempts, history.epoch, history.objective, history.torn) == (2, 2, 0.7, 2)
    assert history.epochs[1]["metrics"]["train/loss"] == 0.9  # the first record of an epoch counts
    assert history.seconds == 4.0
    assert history.busy_seconds == 3.0 + 5.0
    assert (history.host, history.updated, history.software) == ("node2", 105.0, {"torch": "2"})
    assert history.failures == (dict(failed("crashed", 13), attempt=1, host="node1"),)
    assert history.finished == dict(FINISHED, time=105.0)


def test_a_failure_told_by_the_driver_keeps_its_host_and_needs_no_start() -> None:
    history = derive_history([PLANNED, dict(failed("crashed", 3), host="driver")])
    assert history is not None
    assert history.failures[0]["host"] == "driver"
    assert history.failures[0]["attempt"] == 1


def test_the_objective_of_a_finished_trial_stays() -> None:
    history = derive_history([PLANNED, started(1), FINISHED, dict(PAUSED, time=20.0, objective=0.1)])
    assert history is not None
    assert history.objective == 0.7


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trials" / "t1" / "journal.jsonl"
    with JournalWriter(path) as journal:
        journal.append("planned", trial_id="t1")
        journal.append("epoch", epoch=1, seconds=0.1, metrics={"nan": float("nan"), "inf": float("inf"), "one": 1.0})
    events = read_journal(path).events
    assert [event["event"] for event in events] == ["planned", "epoch"]
    assert events[1]["metrics"] == {"nan": None, "inf": None, "one": 1.0}
    assert events[0]["time"] <= events[1]["time"]


def test_a_torn_line_is_skipped_and_the_next_writer_starts_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as journal:
        journal.append("planned", trial_id="t1")
    with path.open("ab") as file:
        file.write(b'{"event":"epoch","time":1.0,"epo')
    history = read_history(path)
    assert history is not None
    assert (history.torn, history.state) == (1, "waiting")
    with JournalWriter(path) as journal:
        journal.append("started", attempt=1)
    journal_read = read_journal(path)
    assert [event["event"] for event in journal_read.events] == ["planned", "started"]
    assert journal_read.torn == 1


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[1, 2]", b"3", b'{"event":"started"}', b'{"time":1}', b"{"])
def test_lines_that_are_no_events_count_as_torn(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(PLANNED).encode() + b"\n")
    journal = read_journal(path)
    assert (journal.events, journal.torn) == ((PLANNED,), 1)


def test_every_cut_of_a_journal_leaves_a_readable_beginning(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(json.dumps(event).encode() + b"\n" for event in (PLANNED, started(1), FINISHED)))
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        journal = read_journal(path)
        assert len(journal.events) >= whole[:length].count(b"\n")
        assert journal.torn <= 1


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "journal.jsonl").events == ()
    assert read_history(tmp_path / "journal.jsonl") is None


def test_writers_at_the_same_time_do_not_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    def write(number: int) -> None:
        with JournalWriter(path) as journal:
            for epoch_number in range(20):
                journal.append("epoch", epoch=epoch_number, writer=number, filling="x" * 2000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    journal = read_journal(path)
    assert (len(journal.events), journal.torn) == (80, 0)
