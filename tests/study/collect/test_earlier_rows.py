"""Rows that come from the tables of the last collect: never another byte than from the journals, whatever happened."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.analysis.reported import Results
from results.tables import writing
from results.tables.store import read_table, table_path
from study.collect import collect as collecting
from study.collect import earlier_rows, gathering, slices
from study.collect.collect import build_results, build_tables, collect, collect_progress, write_progress
from study.definition.model import StudyDefinition
from study.journal.index import read_states
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of, read_progress

LONG = ("task_metrics", "curves")


@pytest.fixture(autouse=True)
def in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide slices and row groups within and between trials."""
    monkeypatch.setattr(slices, "_TRIALS", 4)
    monkeypatch.setattr(writing, "_ROWS_IN_MEMORY", 21)


@pytest.fixture
def journals_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trials whose journals are read for their rows, from now on."""
    found: list[str] = []

    def read(journal: Path) -> Any:
        found.append(journal.parent.name)
        return whole(journal)

    whole = slices.read_journal
    monkeypatch.setattr(slices, "read_journal", read)
    return found


def files(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.tables.iterdir()}


def from_scratch(folder: RunFolder, place: Path) -> dict[str, bytes]:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder.path, place)
    fresh = RunFolder(place)
    shutil.rmtree(fresh.tables, ignore_errors=True)
    fresh.table_index.unlink(missing_ok=True)
    write_progress(fresh, read_progress(fresh))
    return files(fresh)


def ready(plan: StudyPlan, folder: RunFolder) -> list[PlannedTrial]:
    progress = progress_of(plan, read_states(folder), DrawnRounds(folder))
    return [unit.trial for _, arm in progress.arms for unit in arm.ready]


def changed(plan: StudyPlan, **sections: object) -> StudyPlan:
    return compile_plan(StudyDefinition.model_validate({**plan.definition.to_dict(), **sections}))


def test_only_journals_that_changed_are_read(plan, folder, journaling, journals_read, tmp_path):
    """A study as it goes on: trials are added in the middle of tables, go on, fail, and end."""
    collect(folder)
    seen: set[str] = set()
    while trials := ready(plan, folder):
        for number, trial in enumerate(trials):
            journaling.start(trial, epochs=1, attempt=2 if trial.trial_id in seen else 1)
            if trial.trial_id in seen or number % 2:
                journaling.start(trial, epochs=2, attempt=2)
                journaling.end(trial)
            else:
                journaling.append(trial, "failed", kind="crashed", message="", traceback="")
        seen |= {trial.trial_id for trial in trials}
        journals_read.clear()
        collect(folder)
        assert sorted(journals_read) == sorted(trial.trial_id for trial in trials)
        assert files(folder) == from_scratch(folder, tmp_path / "scratch")
    assert len(seen) == plan.trials
    journals_read.clear()
    write_progress(folder, read_progress(folder))
    assert journals_read == []
    assert files(folder) == from_scratch(folder, tmp_path / "scratch")


@pytest.fixture
def collected(plan: StudyPlan, folder: RunFolder, journaling: Any) -> RunFolder:
    journaling.play(plan)
    collect(folder)
    return folder


EDITS = {
    "fewer seeds": {"confirm": {"seeds": [2]}},
    "fewer trials": {"search": {"trials_per_arm": 2, "round_size": 2}},
    "an arm removed": {"blocks": slice(1)},
    "another order of arms": {"blocks": slice(None, None, -1)},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_study(edit, plan, collected, journals_read, tmp_path):
    space = plan.definition.to_dict()["space"]
    edited = {"space": {**space, "blocks": space["blocks"][edit["blocks"]]}} if "blocks" in edit else edit
    write_plan(changed(plan, **edited), collected)
    write_progress(collected, read_progress(collected))
    assert not journals_read
    assert files(collected) == from_scratch(collected, tmp_path / "scratch")
    write_plan(plan, collected)
    write_progress(collected, read_progress(collected))
    assert files(collected) == from_scratch(collected, tmp_path / "scratch")


def flip_a_byte(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", [*LONG, "index"])
def test_a_flipped_byte_is_not_believed(name, collected, journals_read):
    """In rows, in the end of a file, which says where rows are, and in what is noted of them."""
    before, trials = files(collected), len(read_states(collected))
    for place in (40, 700, -3, -400):
        flip_a_byte(collected.table_index if name == "index" else table_path(collected.tables, name), place)
        journals_read.clear()
        write_progress(collected, read_progress(collected))
        assert len(journals_read) == trials, place
        assert files(collected) == before
    journals_read.clear()
    write_progress(collected, read_progress(collected))
    assert not journals_read, "what was mended counts again"


def test_tables_of_somebody_else_are_not_believed(collected, journals_read):
    """Such as an older version's, or rows that another program wrote; without an index, too."""
    before, trials = files(collected), len(read_states(collected))
    path = table_path(collected.tables, "curves")

    def rewritten() -> None:
        pd.read_parquet(path).assign(value=0.5).to_parquet(path)

    for spoil in (rewritten, path.unlink, collected.table_index.unlink, lambda: shutil.rmtree(collected.tables)):
        spoil()
        journals_read.clear()
        write_progress(collected, read_progress(collected))
        assert len(journals_read) == trials
        assert files(collected) == before


def test_an_index_of_other_code_is_not_believed(collected, journals_read, monkeypatch):
    """Other columns, other readers of journals, another pyarrow."""
    before = files(collected)
    monkeypatch.setattr(earlier_rows, "_form", lambda: b"other code")
    write_progress(collected, read_progress(collected))
    assert len(journals_read) == len(read_states(collected))
    assert files(collected) == before


def test_whoever_cannot_write_the_index_does_without(collected):
    before = files(collected)
    collected.table_index.unlink()
    collected.table_index.mkdir()  # stands for no permission, which root always has
    write_progress(collected, read_progress(collected))
    assert files(collected) == before


@pytest.fixture
def begun(plan: StudyPlan, folder: RunFolder, journaling: Any) -> tuple[RunFolder, PlannedTrial, PlannedTrial]:
    """A run with tables of one epoch of two trials, which have rows one after the other, and these trials."""
    first, second, *_ = ready(plan, folder)
    for trial in (first, second):
        journaling.start(trial, epochs=1)
    collect(folder)
    return folder, first, second


@pytest.mark.parametrize("killed_in", ["note_rows", "summarize"])
def test_a_collect_that_is_killed_leaves_nothing_false(killed_in, begun, journaling, monkeypatch, tmp_path):
    """Between the tables and the index, and before either: the next one has newer journals."""
    folder, first, _ = begun
    before = files(folder)
    journaling.start(first, epochs=2, attempt=2)
    with monkeypatch.context() as patched:
        patched.setattr(collecting if killed_in == "note_rows" else gathering, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            collect(folder)
    assert (files(folder) == before) == (killed_in == "summarize")
    collect(folder)
    assert files(folder) == from_scratch(folder, tmp_path / "scratch")


def killed(*_: object) -> None:
    raise KeyboardInterrupt


OTHER = """
from pathlib import Path
from study.collect.collect import collect
from study.layout import RunFolder
collect(RunFolder(Path({folder!r})))
"""


@pytest.mark.parametrize("meanwhile", ["while rows are read", "between its tables and its index"])
def test_two_collects_at_once(meanwhile, begun, journaling, monkeypatch, tmp_path):
    """Another process collects newer journals meanwhile: whichever tables stay, the next collect is right."""
    folder, first, second = begun
    journaling.append(second, "failed", kind="crashed", message="", traceback="")

    def another(*given: Any) -> Any:
        monkeypatch.undo()
        journaling.start(first, epochs=2, attempt=2)
        program = OTHER.format(folder=str(folder.path))
        subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603
        return real(*given)

    module, name = (slices, "read_journal") if meanwhile == "while rows are read" else (collecting, "note_rows")
    real = getattr(module, name)
    monkeypatch.setattr(module, name, another)
    collect(folder)
    for name in LONG:
        read_table(folder.tables, name)
    collect(folder)
    assert files(folder) == from_scratch(folder, tmp_path / "scratch")


def test_a_journal_that_grows_while_it_is_looked_at(plan, folder, journaling, tmp_path):
    """The rows are those of the progress that was read, and the next collect has the rest."""
    trial = ready(plan, folder)[0]
    journaling.start(trial, epochs=1)
    progress = read_progress(folder)
    journaling.start(trial, epochs=2, attempt=2)
    write_progress(folder, progress)
    assert set(read_table(folder.tables, "curves")["epoch"]) == {1}
    collect(folder)
    assert set(read_table(folder.tables, "curves")["epoch"]) == {1, 2}
    assert files(folder) == from_scratch(folder, tmp_path / "scratch")


def test_a_trial_that_was_trained_again(collected, journaling, monkeypatch, tmp_path):
    """Its journal tells of the same epochs, with other numbers."""
    trial = read_progress(collected).trials[4].trial
    collected.trial(trial.trial_id).journal.unlink()
    monkeypatch.setattr(journaling, "accuracy", lambda _: 0.25)
    journaling.start(trial, epochs=2)
    journaling.end(trial)
    collect(collected)
    assert 0.25 in set(read_table(collected.tables, "curves")["value"])
    assert files(collected) == from_scratch(collected, tmp_path / "scratch")


def test_readers_take_rows_from_tables_as_well(collected, journals_read):
    progress = read_progress(collected)
    for name, table in build_tables(collected, progress, {}).items():
        pd.testing.assert_frame_equal(table, read_table(collected.tables, name))
    build_results(collected, progress)
    assert not journals_read


def test_what_a_report_is_given_is_what_it_needs(collected):
    """Few of the rows, and the same results; storage and packs do without curves."""
    progress = read_progress(collected)
    every, some = collect(collected), collect_progress(collected, progress)
    for name, table in build_results(collected, progress).items():
        pd.testing.assert_frame_equal(table, some[name])
    pd.testing.assert_frame_equal(some["summary"], every["summary"])
    kept = some["task_metrics"]
    assert len(kept) < len(every["task_metrics"])
    assert set(some["curves"]["stage"]) == {"confirm"}
    whole, part = Results.of(every), Results.of(some)
    assert part.validation == whole.validation
    pd.testing.assert_frame_equal(part.chances, whole.chances)
    pd.testing.assert_frame_equal(part.tasks, whole.tasks)
    assert part.answer == whole.answer
    assert str(part.importances) == str(whole.importances)
