from __future__ import annotations

import json
from pathlib import Path

import pytest

from study.journal.events import Event
from study.journal.history import derive_history, epoch_records, read_history
from study.journal.journal import JournalWriter, read_journal
from trainables.foundation.sealed_json import seal

PLANNED: Event = {
    "event": "planned",
    "time": 0.0,
    "study": "tiny",
    "trial_id": "t1",
    "stage": "tune",
    "round": 0,
    "index": 0,
    "arm": {
        "arm_id": "a1",
        "name": "late",
        "placement_name": "late",
        "points": ["fc"],
        "form": "scale",
        "activation": "relu",
        "initialization": {"name": "ones"},
        "grouping": {"name": "per_task"},
    },
    "nuisance": {"learning_rate": 0.001},
    "sampler_seed": 0,
    "data_fingerprint": "0123",
    "config": {
        "data": {},
        "optimization": {"epochs": 20, "learning_rate": 0.001, "weight_decay": 0.0},
        "loss": {"margin": 0.2},
        "batches": {"images": 12},
        "data_seed": 0,
        "train_seed": 1,
    },
}
PLAN = {key: value for key, value in PLANNED.items() if key not in ("event", "time")}


def started(time: float, attempt: int = 1) -> Event:
    return {"event": "started", "time": time, "attempt": attempt, "host": f"node{attempt}", "versions": {"torch": "2"}}


def epoch(number: int, time: float, loss: float = 0.5) -> Event:
    return {"event": "epoch", "time": time, "epoch": number, "seconds": 2.0, "metrics": {"train/loss": loss}}


def failed(kind: str, time: float) -> Event:
    return {"event": "failed", "time": time, "kind": kind, "message": "why", "traceback": "where"}


PAUSED: Event = {"event": "paused", "time": 5.0, "epoch": 1, "objective": 0.6}
PRUNED: Event = {"event": "pruned", "time": 6.0, "epoch": 1, "objective": 0.6}
FINISHED: Event = {
    "event": "finished",
    "time": 9.0,
    "epochs_run": 2,
    "objective": 0.7,
    "task_metrics": [],
    "peak_memory_bytes": 1000,
}


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
    assert epoch_records(events)[1]["metrics"]["train/loss"] == 0.9  # the first record of an epoch counts
    assert history.epochs == {1: 2.0, 2: 2.0}
    assert history.seconds == 4.0
    assert history.busy_seconds == 3.0 + 5.0
    assert (history.host, history.updated, history.software) == ("node2", 105.0, {"torch": "2"})
    assert history.failures == (dict(failed("crashed", 13), attempt=1, host="node1"),)
    assert history.finished == {key: value for key, value in events[-1].items() if key != "task_metrics"}


def test_a_failure_told_by_the_driver_keeps_its_host_and_needs_no_start() -> None:
    history = derive_history([PLANNED, dict(failed("crashed", 3), host="driver")])
    assert history is not None
    assert history.failures[0]["host"] == "driver"
    assert history.failures[0]["attempt"] == 1


def test_the_objective_of_a_finished_trial_stays() -> None:
    history = derive_history([PLANNED, started(1), FINISHED, dict(PAUSED, time=20.0, objective=0.1)])
    assert history is not None
    assert history.objective == 0.7


def test_a_torn_line_is_skipped_and_the_next_writer_starts_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with JournalWriter(path) as journal:
        journal.append("planned", **PLAN)
    with path.open("ab") as file:
        file.write(b'{"event":"epoch","time":1.0,"epo')
    history = read_history(path)
    assert history is not None
    assert (history.torn, history.state) == (1, "waiting")
    with JournalWriter(path) as journal:
        journal.append("started", attempt=1, host="node1", versions={})
    journal_read = read_journal(path)
    assert [event["event"] for event in journal_read.events] == ["planned", "started"]
    assert journal_read.torn == 1


@pytest.mark.parametrize(
    "line",
    [
        *(b"\xff\xfe", b"[1, 2]", b"3", b'{"event":"started"}', b'{"time":1}', b"{", b"\0" * 4096),
        b"[" * 100_000,
        b'{"event":"epoch","time":1,"epoch":1,"seconds":1,"metrics":' + b'{"a":' * 100_000,
        b'{"event":3,"time":1}',
        b'{"event":"x","time":NaN}',
        b'{"event":"x","time":1e300}',
        b'{"event":"x","event":"y","time":1}',
        b'{"event":"x","time":' + b"9" * 5000 + b"}",
    ],
    ids=repr,
)
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


def without(event: Event, *path: str) -> Event:
    """The event without the field at this path."""
    first, *rest = path
    return {
        key: without(value, *rest) if key == first else value for key, value in event.items() if rest or key != first
    }


METRIC = {
    "split": "test",
    "task": "a",
    "metric": "recall_at_1",
    "average": "query",
    "value": 0.5,
    "chance": 0.1,
    "queries": 3,
}
WHOLE = (PLANNED, started(1), epoch(1, 2), PAUSED, PRUNED, dict(FINISHED, task_metrics=[METRIC]), failed("data", 3))


@pytest.mark.parametrize("event", WHOLE, ids=lambda event: event["event"])
def test_a_line_without_a_field_that_is_needed_is_torn(tmp_path: Path, event: Event) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(event) + "\n")
    assert read_journal(path).torn == 0
    for name in event:
        path.write_text(json.dumps(without(event, name)) + "\n")
        assert read_journal(path).torn == 1, name


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "3"},
        {"epoch": 0},
        {"epoch": -1},
        {"epoch": 1.5},
        {"epoch": True},
        {"epoch": None},
        {"epoch": 10**30},
        {"seconds": -1.0},
        {"seconds": "2"},
        {"seconds": 10**400},
        {"metrics": []},
        {"metrics": {"train/loss": "0.5"}},
        {"metrics": {"train/loss": [0.5]}},
        {"metrics": {"train/loss": 10**400}},
        {"metrics": {"\ud800": 0.5}},
        {"time": "now"},
        {"event": "finished"},
        {"event": "planned"},
    ],
    ids=repr,
)
def test_a_line_with_a_value_that_cannot_be_is_torn(tmp_path: Path, change: Event) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps({**epoch(1, 2), **change}) + "\n")
    assert read_journal(path).torn == 1


def test_a_finished_line_with_metrics_no_table_holds_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    rows = [[METRIC, METRIC], [METRIC | {"metric": "luck"}], [METRIC | {"split": "dev"}], [METRIC | {"average": "sum"}]]
    for metrics in rows:
        path.write_text(json.dumps({**FINISHED, "task_metrics": metrics}) + "\n")
        assert read_journal(path).torn == 1


def test_a_flipped_byte_is_found_wherever_it_lies(tmp_path: Path) -> None:
    """What is left of the line, if anything, says what was written; no digit of it is another one."""
    path = tmp_path / "journal.jsonl"
    line = seal(epoch(1, 2, loss=0.123456789)).encode()
    for place in range(len(line)):
        for bit in range(8):
            path.write_bytes(line[:place] + bytes([line[place] ^ 1 << bit]) + line[place + 1 :] + b"\n")
            for event in read_journal(path).events:
                assert {key: event[key] for key in epoch(1, 2)} == epoch(1, 2, loss=0.123456789)


def test_a_history_knows_which_epochs_it_has_lost() -> None:
    whole = derive_history([PLANNED, started(1), epoch(1, 2), epoch(2, 3), FINISHED])
    assert whole is not None
    assert whole.is_whole
    for events in (
        [epoch(1, 2), FINISHED],
        [epoch(2, 2), FINISHED],
        [FINISHED],
        [epoch(2, 3)],
        [dict(PAUSED, epoch=2)],
    ):
        history = derive_history([PLANNED, started(1), *events])
        assert history is not None
        assert (history.epoch, history.is_whole) == (2, False)
    diverged = derive_history([PLANNED, started(1), epoch(1, 2), dict(failed("diverged", 3), epoch=3)])
    assert diverged is not None
    assert (diverged.epoch, diverged.is_whole) == (3, False)


def test_epochs_beyond_the_last_one_do_not_count() -> None:
    history = derive_history([PLANNED, started(1), epoch(1, 2), epoch(2_000_000_000, 2)])
    assert history is not None
    assert list(history.epochs) == [1]
