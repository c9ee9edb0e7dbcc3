"""What writers append to a journal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from study.journal.journal import JournalWriter, read_journal


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "trials" / "t1" / "journal.jsonl"
    with JournalWriter(path) as journal:
        journal.append("started", attempt=1, host="node1", versions={"torch": "2"})
        journal.append("epoch", epoch=1, seconds=0.1, metrics={"nan": float("nan"), "inf": float("inf"), "one": 1.0})
    events = read_journal(path).events
    assert [event["event"] for event in events] == ["started", "epoch"]
    assert events[0]["versions"] == {"torch": "2"}
    assert events[1]["metrics"] == {"nan": None, "inf": None, "one": 1.0}
    assert events[0]["time"] <= events[1]["time"]


def test_text_that_is_no_unicode_is_written_as_its_escape(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "journal.jsonl") as journal:
        journal.append("failed", kind="data", message="no such file: \udce4.png", traceback="")
    (event,) = read_journal(tmp_path / "journal.jsonl").events
    assert event["message"] == "no such file: \\udce4.png"


def test_writers_at_the_same_time_do_not_mix_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    def write(number: int) -> None:
        with JournalWriter(path) as journal:
            for epoch_number in range(1, 21):
                filling = {"writer": number, "filling": "x" * 2000}
                journal.append("epoch", epoch=epoch_number, seconds=1.0, metrics={}, **filling)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    journal = read_journal(path)
    assert (len(journal.events), journal.torn) == (80, 0)
