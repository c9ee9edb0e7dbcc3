"""The values a round drew are recorded once, and hold whatever the sampler would draw later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest

from study.collect.collect import build_tables
from study.errors import UserError
from study.journal.journal import read_journal
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import StudyPlan
from study.schedule import drawing
from study.schedule.progress import read_progress
from study.status.status import StudyStatus, study_status

HALVING = {"trials_per_arm": 6, "round_size": 4, "halving": {"rungs": [1, 2], "keep": 0.5}}


@pytest.fixture
def newer_sampler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a way to install another release of Optuna, which draws other values."""

    def install() -> None:
        real = drawing.sample_round

        def other(*arguments: Any) -> Any:
            points = real(*arguments)
            return tuple({name: value * 1.01 for name, value in point.items()} for point in points)

        monkeypatch.setattr(drawing, "sample_round", other)
        monkeypatch.setattr(drawing, "version", lambda name: f"newer {name}")

    return install


def found(folder: RunFolder) -> tuple[dict[str, pd.DataFrame], StudyStatus]:
    progress = read_progress(folder)
    return build_tables(folder, progress, {}), study_status(progress, now=0.0)


def assert_same(one: tuple[dict[str, pd.DataFrame], StudyStatus], other: Any) -> None:
    for name, table in one[0].items():
        pd.testing.assert_frame_equal(table, other[0][name], check_exact=True)
    assert one[1] == other[1]


def run(simulate: Any, plan: StudyPlan, name: str = "run", units: int | None = None) -> Any:
    simulation = simulate(plan, name)
    write_plan(plan, simulation.folder)
    simulation.run(workers=2, seed=0, units=units)
    return simulation


def tune_values(simulation: Any) -> dict[str, list[dict[str, float]]]:
    return {arm_id: [dict(t.nuisance) for t in arm.tune] for arm_id, arm in simulation.dispatcher.arms.items()}


def lines(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.rounds.read_text().splitlines()]


@pytest.mark.parametrize("search", [{"trials_per_arm": 5, "round_size": 2}, HALVING], ids=["rounds", "halving"])
def test_a_newer_sampler_changes_neither_tables_nor_status_of_an_old_study(make_plan, simulate, newer_sampler, search):
    folder = run(simulate, make_plan(search=search)).folder
    before, record = found(folder), folder.rounds.read_bytes()
    assert before[1].complete
    newer_sampler()
    assert_same(found(folder), before)
    drawing.recover_rounds(folder)
    assert simulate(make_plan(search=search)).dispatcher.exhausted
    assert folder.rounds.read_bytes() == record


def test_a_study_resumes_with_the_recorded_rounds(make_plan, simulate, newer_sampler):
    before = tune_values(run(simulate, make_plan(), units=7))
    newer_sampler()
    resumed = run(simulate, make_plan())
    after = tune_values(resumed)
    assert {arm_id: values[: len(before[arm_id])] for arm_id, values in after.items()} == before
    assert all(len(values) == 5 for values in after.values())
    assert found(resumed.folder)[1].complete


def test_values_are_on_the_disk_before_any_trial_starts(make_plan, simulate, newer_sampler):
    killed = simulate(make_plan())
    (line,) = lines(killed.folder)  # the arms share their first round
    assert not killed.folder.trials.exists()
    assert line["drawn_from"]["round"] == 0
    newer_sampler()
    again = simulate(make_plan())
    assert tune_values(again) == tune_values(killed)
    assert [dict(trial) for trial in next(iter(tune_values(again).values()))] == line["nuisance"]


def sorted_rounds(events: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps([event["drawn_from"], event["nuisance"]]) for event in events)


@pytest.mark.parametrize("damage", ["torn", "zeros", "deleted"])
def test_a_damaged_record_is_drawn_again(make_plan, simulate, damage):
    folder = run(simulate, make_plan()).folder
    before, record = found(folder), lines(folder)
    content = folder.rounds.read_bytes()
    if damage == "torn":
        folder.rounds.write_bytes(content[:-30])
    elif damage == "zeros":
        folder.rounds.write_bytes(b"\0" * len(content))
    else:
        folder.rounds.unlink()
    assert_same(found(folder), before)  # by the journals of the trials
    drawing.recover_rounds(folder)
    assert simulate(make_plan()).dispatcher.exhausted
    assert sorted_rounds(read_journal(folder.rounds).events) == sorted_rounds(record)
    assert_same(found(folder), before)


def test_folders_of_older_code_keep_their_rounds_under_a_newer_sampler(make_plan, simulate, newer_sampler):
    folder = run(simulate, make_plan()).folder
    before = found(folder)
    folder.rounds.unlink()
    newer_sampler()
    assert_same(found(folder), before)
    drawing.recover_rounds(folder)
    assert len(lines(folder)) == 7  # a first round for all, then two more of each of three arms
    assert simulate(make_plan()).dispatcher.exhausted
    assert_same(found(folder), before)


def test_a_part_of_a_round_that_cannot_be_drawn_again_is_reported(make_plan, simulate, newer_sampler):
    folder = run(simulate, make_plan(), units=1).folder
    folder.rounds.unlink()
    newer_sampler()
    with pytest.raises(UserError, match=r"rounds.jsonl: round 0 of arm .* run once with optuna==\d.* another name"):
        drawing.recover_rounds(folder)


def test_more_trials_per_arm_keep_a_round_that_was_smaller(make_plan, simulate, newer_sampler):
    before = tune_values(run(simulate, make_plan(search={"trials_per_arm": 3, "round_size": 2})))
    newer_sampler()
    larger = run(simulate, make_plan(search={"trials_per_arm": 4, "round_size": 2}))
    after = tune_values(larger)
    assert {arm_id: values[:3] for arm_id, values in after.items()} == before
    assert all(len(values) == 4 for values in after.values())


def test_other_ranges_are_drawn_from_although_a_round_is_on_record(make_plan, simulate):
    first = run(simulate, make_plan(), units=2)
    space = {**first.plan.definition.model_dump(mode="json")["space"]}
    space["nuisance"] = {"learning_rate": {"low": 0.2, "high": 0.4}}
    edited = run(simulate, make_plan(space=space))
    assert all(0.2 <= value["learning_rate"] <= 0.4 for values in tune_values(edited).values() for value in values)
    assert found(edited.folder)[1].complete


def test_each_folder_has_its_own_record(make_plan, simulate, newer_sampler):
    old = run(simulate, make_plan(), "old")
    newer_sampler()
    new = run(simulate, make_plan(), "new")
    assert old.results().keys().isdisjoint(new.results().keys())
    shutil.copytree(old.folder.path, old.folder.path.with_name("copy"))
    assert_same(found(RunFolder(old.folder.path.with_name("copy"))), found(old.folder))
    assert found(new.folder)[1].complete
