"""The index of the journals: the same states as reading all of them, and only what has changed is read."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.journal import index
from study.journal.index import read_and_note, read_states
from study.journal.state import TrialState, read_state
from study.layout import RunFolder


def plainly(folder: RunFolder) -> dict[str, TrialState]:
    """Read every journal."""
    found = [read_state(path) for path in sorted(folder.trials.glob("*/journal.jsonl"))]
    return {state.history.trial_id: state for state in found if state is not None}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The journals that are read from here on."""
    seen: list[Path] = []

    def noting(path: Path) -> TrialState | None:
        seen.append(path)
        return read_state(path)

    monkeypatch.setattr(index, "read_state", noting)
    return seen


HALVING = {"trials_per_arm": 4, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5}}


@pytest.fixture
def ended(make_plan: Any, simulate: Callable[..., Any]) -> RunFolder:
    """A run with completed, paused, pruned, failed and diverged trials."""
    run = simulate(make_plan(search=HALVING), runner="orchestration_runners:fail_in_many_ways")
    run.run(workers=2, seed=3, units=25)
    folder: RunFolder = run.folder
    return folder


def test_states_from_the_index_are_those_of_the_journals(ended: RunFolder, reads: list[Path]) -> None:
    expected = plainly(ended)
    assert len({state.history.state for state in expected.values()}) > 2
    ended.journal_index.unlink()
    assert read_states(ended) == expected
    assert len(reads) == len(expected)
    reads.clear()
    again = read_states(ended)
    assert (again, list(again), reads) == (expected, list(expected), [])


def test_a_driver_leaves_nothing_to_be_read_again(
    make_plan: Any, simulate: Callable[..., Any], reads: list[Path]
) -> None:
    run = simulate(make_plan(search=HALVING))
    assert run.run(workers=2, seed=3)
    reads.clear()
    assert len(read_states(run.folder)) == 3 * (4 + 2)
    assert reads == []


def test_what_was_added_changed_or_removed_is_seen(ended: RunFolder, reads: list[Path]) -> None:
    first, second, third, *_ = read_states(ended)
    with ended.trial(first).journal.open("ab") as journal:
        journal.write(b'{"event": "started", "time": 5.0, "torn')
    flipped = ended.trial(second).journal
    content = bytearray(flipped.read_bytes())
    content[-40] ^= 1
    flipped.write_bytes(content)
    shutil.rmtree(ended.trial(third).path)
    reads.clear()
    states = read_states(ended)
    assert states == plainly(ended)
    assert third not in states
    assert {path.parent.name for path in reads} == {first, second}


def test_any_damage_to_the_index_costs_time_and_nothing_else(ended: RunFolder) -> None:
    read_states(ended)
    whole, expected, chance = ended.journal_index.read_bytes(), plainly(ended), random.Random(0)  # noqa: S311 - a test
    for _ in range(20):
        cut = chance.randrange(len(whole))
        ended.journal_index.write_bytes(whole[:cut])  # the writer was killed
        assert read_states(ended) == expected
        place = chance.randrange(len(whole))
        ended.journal_index.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert read_states(ended) == expected


def test_the_file_does_not_grow_with_every_look(ended: RunFolder) -> None:
    trial_id = next(iter(read_states(ended)))
    for _ in range(60):
        read_and_note(ended, trial_id)
    read_states(ended)
    size = ended.journal_index.stat().st_size
    for _ in range(200):
        read_and_note(ended, trial_id)
        read_states(ended)
    assert ended.journal_index.stat().st_size < 3 * size


def test_a_folder_that_cannot_be_written_is_read(ended: RunFolder) -> None:
    ended.journal_index.unlink()
    ended.journal_index.mkdir()  # stands for no permission, which root always has
    assert read_states(ended) == plainly(ended)


def test_another_version_of_the_code_does_not_believe_it(
    ended: RunFolder, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_states(ended)
    reads.clear()
    monkeypatch.setattr(index, "_form", lambda: b"0123456789abcdef")
    read_states(ended)
    assert len(reads) == len(plainly(ended))
