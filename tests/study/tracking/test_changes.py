"""Which journals a pass looks at, and when a trial that trains is worth a request."""

import os
import time

import pytest

from study.layout import RunFolder
from study.tracking.mirror.changes import JournalChanges
from study.tracking.mirror.trials import UPDATES, _can_wait


def _grow(folder: RunFolder, trial_id: str, text: str = "x") -> None:
    path = folder.trial(trial_id).journal
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def _news(journals: JournalChanges, *, over: bool = False) -> list[str]:
    found = list(journals.news())
    for trial_id, _, size in found:
        journals.sent(trial_id, size, over=over)
    return [trial_id for trial_id, _, _ in found]


def test_only_journals_that_changed_are_news_and_those_of_trials_that_are_over_are_not_looked_at(tmp_path):
    folder = RunFolder(tmp_path)
    journals = JournalChanges(folder)
    assert _news(journals) == []
    for trial_id in ("b", "a"):
        _grow(folder, trial_id)
    assert journals.unsent() == ["a", "b"]
    assert _news(journals, over=True) == ["a", "b"]
    assert _news(journals) == []
    _grow(folder, "a")
    _grow(folder, "c")
    assert journals.unsent() == ["a", "c"]
    assert _news(journals) == ["c"]
    _grow(folder, "c")
    assert _news(journals) == ["c"]
    journals.look_at_all()
    assert _news(journals) == ["a"]


def test_a_folder_of_trials_is_listed_only_when_it_has_changed(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    journals = JournalChanges(folder)
    _grow(folder, "a")
    long_ago = time.time() - 60
    os.utime(folder.trials, (long_ago, long_ago))
    assert _news(journals) == ["a"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", None)
        assert _news(journals) == []
    _grow(folder, "b")
    assert _news(journals) == ["b"]
    _grow(folder, "c")  # within the same tick of the file system's clock, perhaps
    assert _news(journals) == ["c"]


def test_a_journal_that_was_postponed_waits_for_a_change_or_for_a_look_at_all(tmp_path):
    folder = RunFolder(tmp_path)
    journals = JournalChanges(folder)
    _grow(folder, "a")
    [(_, _, size)] = journals.news()
    journals.postpone("a", size)
    assert list(journals.news()) == []
    assert journals.unsent() == ["a"]
    journals.look_at_all()
    assert _news(journals) == ["a"]


@pytest.mark.parametrize("epochs", [1, UPDATES, 1000])
def test_the_epochs_of_a_trial_are_sent_in_a_bounded_number_of_updates(epochs):
    planned = {"event": "planned", "config": {"optimization": {"epochs": epochs}}}
    events, sent, updates = (planned, {"event": "started"}), 2, 0
    assert not _can_wait(events, events)
    for epoch in range(1, epochs + 1):
        events = (*events, {"event": "epoch", "epoch": epoch})
        if not _can_wait(events[sent:], events):
            sent, updates = len(events), updates + 1
    assert 1 <= updates <= UPDATES
    assert not _can_wait((*events[sent:], {"event": "finished"}), events)
