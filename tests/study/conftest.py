"""A study small enough to plan in no time, and a way to fill its journals without training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from study.definition.loading import dump_study, load_study
from study.journal.journal import JournalWriter
from study.layout import RunFolder
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan, write_plan
from study.schedule.progress import progress_of
from study.schedule.units import read_states


@pytest.fixture
def study_file(tmp_path: Path, tiny_study: Any) -> Path:
    """The tiny study with a rate to tune, in rounds."""
    rate = {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}
    search = {"trials_per_arm": 3, "round_size": 2}
    document = tiny_study(optimization={"epochs": 2}, space={"nuisance": rate}, search=search)
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, default_flow_style=None))
    return path


@pytest.fixture
def plan(study_file: Path) -> StudyPlan:
    return compile_plan(load_study(study_file))


@pytest.fixture
def folder(tmp_path: Path, plan: StudyPlan) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / plan.definition.name)
    write_plan(plan, folder)
    return folder


class Journaling:
    """Writes journals as workers do, with made-up numbers that depend on nothing but the trial."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @staticmethod
    def accuracy(trial: PlannedTrial) -> float:
        return 0.5 + int(trial.trial_id[:4], 16) / 2**17

    def start(self, trial: PlannedTrial, epochs: int, attempt: int = 1) -> None:
        """Journal a trial that was begun and has done some epochs."""
        with JournalWriter(self._folder.trial(trial.trial_id).journal) as journal:
            if attempt == 1:
                journal.append("planned", **trial.planned_event("tiny"))
            versions = {"python": "3.11", "torch": "2.13"}
            journal.append("started", attempt=attempt, from_epoch=0, host="node1", pid=1, versions=versions)
            for epoch in range(1, epochs + 1):
                metrics = {"train/loss": 1 / epoch, "validation/triplet_accuracy": self.accuracy(trial)}
                journal.append("epoch", epoch=epoch, seconds=0.5, metrics=metrics)

    def end(self, trial: PlannedTrial) -> None:
        """Journal the end of a trial that was begun."""
        names = ("triplet_accuracy", "recall_at_1", "map_at_r", "mean_average_precision")
        numbers = {"value": self.accuracy(trial), "chance": 0.5, "queries": 20}
        metrics = [
            {"split": split, "task": task, "metric": name, "average": average, **numbers}
            for split in trial.config.evaluation.splits
            for task in trial.config.data.tasks
            for name in names
            for average in ("query", "class")
        ]
        self.append(
            trial,
            "finished",
            epochs_run=trial.config.optimization.epochs,
            objective=self.accuracy(trial),
            task_metrics=metrics,
            peak_memory_bytes=1_000_000,
        )

    def append(self, trial: PlannedTrial, event: str, **fields: Any) -> None:
        """Journal any event of a trial."""
        with JournalWriter(self._folder.trial(trial.trial_id).journal) as journal:
            journal.append(event, **fields)

    def play(self, plan: StudyPlan, *, backwards: bool = False) -> list[PlannedTrial]:
        """Journal all that is missing of a study without halving; return the trials in the order they were run."""
        played: list[PlannedTrial] = []
        while True:
            progress = progress_of(plan, read_states(self._folder))
            units = [unit for _, arm in progress.arms for unit in arm.ready]
            if not units:
                return played
            trial = units[-1 if backwards else 0].trial
            self.start(trial, trial.config.optimization.epochs)
            self.end(trial)
            played.append(trial)


@pytest.fixture
def journaling(folder: RunFolder) -> Journaling:
    return Journaling(folder)


@pytest.fixture
def played(plan: StudyPlan, folder: RunFolder, journaling: Journaling) -> RunFolder:
    """A run whose journals say that every trial has ended."""
    folder.definition.write_text(dump_study(plan.definition))
    journaling.play(plan)
    return folder
