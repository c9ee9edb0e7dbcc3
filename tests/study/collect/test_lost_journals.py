"""Storage that loses data: whatever is left of the journals, the next run gives the tables of an undisturbed one.

Real trials, journals, checkpoints and weights; only Ray is left out.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from study.collect.collect import build_tables
from study.layout import RunFolder, TrialFolder
from study.plan.plan import StudyPlan
from study.schedule.progress import read_progress
from study.status.status import study_status
from study.tune.execution import RUN_TRIAL

HOW_IT_WAS_DONE = ["seconds", "peak_memory_bytes", "attempts", "software", "seconds_mean"]
EPOCHS = 3
WHOLE_STUDY = {
    "data": {
        "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
        "tasks": ["Smiling", "Hat"],
        "image_size": 48,
    },
    "batches": {"batch_size": 12},
    "optimization": {"epochs": EPOCHS},
    "evaluation": {"triplets_per_task": 20, "validate_every": 3},
    "space": {
        "blocks": [{"placement": ["late"]}],
        "nuisance": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
    },
    "search": {"trials_per_arm": 3, "round_size": 2, "halving": {"rungs": [1, 2], "keep": 0.5}},
    "confirm": {"seeds": [1]},
}


@pytest.fixture
def plan(make_plan, tmp_path_factory, monkeypatch) -> StudyPlan:
    monkeypatch.setenv("MODSTUDY_CACHE", str(tmp_path_factory.getbasetemp() / "cache-of-lost-journals"))
    return make_plan(**WHOLE_STUDY)


@pytest.fixture
def run(plan, simulate) -> Callable[[str], RunFolder]:
    """Return a way to run what is missing in a folder of this name."""

    def run_in(name: str) -> RunFolder:
        simulation = simulate(plan, name, runner=RUN_TRIAL)
        simulation.run(workers=2, seed=0)
        return simulation.folder

    return run_in


@pytest.fixture
def undisturbed(plan, run, tmp_path_factory) -> RunFolder:
    kept = tmp_path_factory.getbasetemp() / "undisturbed-journals"
    if not kept.exists():
        shutil.copytree(run("undisturbed").path, kept)
    return RunFolder(kept)


def tables(plan: StudyPlan, folder: RunFolder) -> dict[str, pd.DataFrame]:
    found = build_tables(folder, read_progress(folder, plan), {})
    return {name: table.drop(columns=HOW_IT_WAS_DONE, errors="ignore") for name, table in found.items()}


def assert_healed(plan: StudyPlan, folder: RunFolder, undisturbed: RunFolder) -> None:
    for name, table in tables(plan, undisturbed).items():
        pd.testing.assert_frame_equal(tables(plan, folder)[name], table, check_exact=True)
    status = study_status(read_progress(folder, plan), now=0.0)
    assert status.complete
    assert status.behind == 0


def trials_of(folder: RunFolder) -> list[TrialFolder]:
    return [TrialFolder(path) for path in sorted(folder.trials.iterdir())]


def lines_of(trial: TrialFolder) -> list[bytes]:
    return trial.journal.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("damage", ["deleted", "empty", "zeros", "first line only", "without its epochs"])
def test_a_run_whose_journals_were_lost_catches_up(damage, plan, run, undisturbed, tmp_path):
    shutil.copytree(undisturbed.path, tmp_path / "run")
    for trial in trials_of(RunFolder(tmp_path / "run")):
        lines = lines_of(trial)
        if damage == "deleted":
            trial.journal.unlink()
        elif damage == "empty":
            trial.journal.write_bytes(b"")
        elif damage == "zeros":
            trial.journal.write_bytes(b"\0" * trial.journal.stat().st_size)
        elif damage == "first line only":
            trial.journal.write_bytes(lines[0])
        else:
            trial.journal.write_bytes(b"".join(line for line in lines if b'"event":"epoch"' not in line))
    assert not study_status(read_progress(RunFolder(tmp_path / "run"), plan), now=0.0).complete
    assert_healed(plan, run("run"), undisturbed)


@pytest.mark.long
def test_a_journal_that_lost_any_one_line_catches_up(plan, run, undisturbed, tmp_path):
    """Every line of every journal once: in the n-th round all journals lose their n-th line."""
    longest = max(len(lines_of(trial)) for trial in trials_of(undisturbed))
    for number in range(longest):
        shutil.copytree(undisturbed.path, tmp_path / "run")
        for trial in trials_of(RunFolder(tmp_path / "run")):
            lines = lines_of(trial)
            if number < len(lines):
                lines[number] = b"\0" * len(lines[number])
            trial.journal.write_bytes(b"".join(lines))
        assert_healed(plan, run("run"), undisturbed)
        shutil.rmtree(tmp_path / "run")


@pytest.mark.parametrize("seed", range(3))
def test_journals_checkpoints_and_weights_damaged_at_random_catch_up(seed, plan, run, undisturbed, tmp_path):
    shutil.copytree(undisturbed.path, tmp_path / "run")
    chance = random.Random(seed)  # noqa: S311
    for trial in trials_of(RunFolder(tmp_path / "run")):
        content = trial.journal.read_bytes()
        place = chance.randrange(len(content))
        end = min(len(content), place + chance.choice((1, 300, 3000)))
        zeros = content[:place] + b"\0" * (end - place) + content[end:]
        trial.journal.write_bytes(chance.choice((content, content[:place], zeros)))
        for kept in (trial.checkpoint, trial.weights):
            if kept.exists() and chance.random() < 0.4:
                damage_state(kept, chance)
    assert_healed(plan, run("run"), undisturbed)


def damage_state(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 8
    path.write_bytes(bytes(content))
    if chance.random() < 0.3:
        path.unlink()


def test_what_is_whole_is_not_touched(plan, run, undisturbed, tmp_path):
    shutil.copytree(undisturbed.path, tmp_path / "run")
    run("run")
    for before, after in zip(trials_of(undisturbed), trials_of(RunFolder(tmp_path / "run")), strict=True):
        assert before.journal.read_bytes() == after.journal.read_bytes()
