"""Mirrors the trials whose journals have changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from study.journal.events import Event
from study.journal.history import TrialHistory, derive_history, planned_event
from study.journal.index import read_states
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.tracking.artifacts import task_table
from study.tracking.content import trial_content
from study.tracking.dataset import dataset_input
from study.tracking.mirror.known import OBJECTIVE
from study.tracking.mirror.writing import RunWriter

UPDATES = 50
"""Requests at most that the epochs of one trial take while it trains, however many they are."""


class TrialMirror:
    """Mirrors trials, each with at most five requests and ``UPDATES``, and two for every change of its state.

    Args:
        writer: of the runs.
        folder: of the run.
        storage: the ledger of every arm by id; trials of other arms are left out.
        labels: short labels of the arms by id.
        objective: what the trials' metric ``objective`` is.
    """

    def __init__(
        self,
        writer: RunWriter,
        folder: RunFolder,
        storage: Mapping[str, Any],
        labels: Mapping[str, str],
        objective: str,
    ) -> None:
        self._writer = writer
        self._known = writer.known
        self._folder = folder
        self._storage = storage
        self._labels = labels
        self._objective = objective

    def compare(self) -> None:
        """Find the trials of which the store lacks nothing; of journals only those are read that have changed."""
        journals = self._known.journals
        sizes = {name: journals.size(name) for name in journals.unsent()}
        for trial_id, state in read_states(self._folder).items():  # after the sizes: what is added now is news
            size, history = sizes.get(trial_id), state.history
            self._note_end(history)
            if size is not None and self._known.mirrored.get(f"trial:{trial_id}") == history.lines:
                journals.sent(trial_id, size, over=history.is_final)

    def bring_up_to_date(self) -> None:
        """Mirror what has changed."""
        journals = self._known.journals
        sync = partial(self._sync, whole=journals.looks_at_all)
        files_at = self._known.artifacts["study"]
        self._writer.store.together(journals.news(), lambda trial: sync(*trial), files_at)

    def _sync(self, name: str, path: Path, size: int, *, whole: bool) -> None:
        journal, journals = read_journal(path), self._known.journals
        history = derive_history(journal.events, journal.torn)
        if history is None or history.planned["arm"]["arm_id"] not in self._storage:
            journals.postpone(name, size)
            return
        self._note_end(history)
        arm, key = history.planned["arm"], f"trial:{history.trial_id}"
        if f"arm:{arm['arm_id']}" not in self._known.runs:  # refused; said already
            return
        news = journal.events[self._known.mirrored.get(key, 0) :]
        if not whole and _can_wait(news, journal.events):
            journals.postpone(name, size)
            return
        with self._writer.one_of_many(f"the trial {history.trial_id}"):
            self._run(key, history)
            if news:
                self._send(key, history, journal.events)
            journals.sent(name, size, over=history.is_final)

    def _send(self, key: str, history: TrialHistory, events: tuple[Event, ...]) -> None:
        run_id, mirrored = self._known.runs[key], self._known.mirrored[key]
        arm_id = history.planned["arm"]["arm_id"]
        if not mirrored:
            planned = planned_event(events)
            data = dataset_input(planned["config"]["data"], planned["data_fingerprint"])
            self._writer.store.call("log_inputs", run_id, [data])
        content = trial_content(history, events, mirrored, (self._storage[arm_id], self._labels[arm_id]))
        tasks = task_table(events[mirrored:])
        if tasks is not None:
            content.tags.update(self._writer.attach(key, tasks, f"the table of tasks of the trial {history.trial_id}"))
        self._writer.log(key, content, len(events))
        self._writer.report.trials_updated += 1

    def _run(self, key: str, history: TrialHistory) -> None:
        planned = history.planned
        arm, confirms = planned["arm"], planned["stage"] == "confirm"
        which = f"seed {planned['config']['train_seed']}" if confirms else f"{planned['stage']} {planned['index']}"
        name = f"{which} {self._labels[arm['arm_id']]}"  # the beginning is what a tree has room for
        parent = self._known.runs[f"arm:{arm['arm_id']}"]
        tags = {"modstudy.trial_id": history.trial_id, OBJECTIVE: self._objective}
        self._writer.run(key, name, planned["time"], tags, parent)

    def _note_end(self, history: TrialHistory) -> None:
        arm = history.planned["arm"]["arm_id"]
        self._known.ends[arm] = max(history.updated, self._known.ends.get(arm, 0.0))


def _can_wait(news: tuple[Event, ...], events: tuple[Event, ...]) -> bool:
    """Whether the news are but epochs, and fewer than are worth a request."""
    if len(news) == len(events) or any(event["event"] != "epoch" for event in news):
        return False
    planned: int = planned_event(events)["config"]["optimization"]["epochs"]
    return len(news) * UPDATES < planned
