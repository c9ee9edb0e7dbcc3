"""Studies small enough to plan in no time, and ways to fill their journals without training or without Ray."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from study.definition.loading import dump_study, load_study
from study.definition.model import StudyDefinition
from study.journal.history import epoch_records, planned_event
from study.journal.index import read_states
from study.journal.journal import JournalWriter, read_journal
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan
from study.schedule.dispatch import Dispatcher
from study.schedule.drawing import DrawnRounds
from study.schedule.progress import progress_of
from study.schedule.units import WorkUnit
from study.tune.execution import RUN_TRIAL, TrialFailedError, WorkOrder
from study.tune.fused_execution import execute_unit


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
            progress = progress_of(plan, read_states(self._folder), DrawnRounds(self._folder))
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


SETTINGS: dict[str, Any] = {
    "name": "made-up",
    "data": {"source": {"kind": "generated"}, "tasks": ["Smiling", "Glasses", "Hat"], "image_size": 48},
    "network": {"width": 0.0625},
    "optimization": {"epochs": 4},
    "space": {
        "blocks": [{"placement": ["none"], "grouping": ["per_task", "network_per_task"]}, {"placement": ["late"]}],
        "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
    },
    "search": {"trials_per_arm": 5, "round_size": 2},
    "confirm": {"seeds": [1, 2]},
}
MakePlan = Callable[..., StudyPlan]


@pytest.fixture
def runners_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and the workers it starts import the modules in ``runners``."""
    here = str(Path(__file__).parent / "runners")
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", here)
    yield
    for name in ("dying_runners", "orchestration_runners", "sharing_runners", "stopped_workers"):
        sys.modules.pop(name, None)


@pytest.fixture
def make_plan() -> MakePlan:
    def make(**changes: Any) -> StudyPlan:
        definition = StudyDefinition.model_validate({**SETTINGS, **changes})
        return compile_plan(definition)

    return make


class Simulation:
    """Workers without Ray, with real work orders, journals and dispatcher: units in flight end in a random order."""

    def __init__(self, plan: StudyPlan, folder: RunFolder, runner: str = "orchestration_runners:train") -> None:
        self.plan = plan
        self.folder = folder
        self.runner = runner
        self.dispatcher = Dispatcher(plan, folder, read_states(folder))

    def order(self, unit: WorkUnit) -> WorkOrder:
        event = unit.trial.planned_event(self.plan.definition.name, self.plan.definition.confirm.seeds)
        order = WorkOrder(str(self.folder.path), event, unit.until_epoch, "triplet_accuracy", "query", self.runner)
        slots = [trial and trial.planned_event(self.plan.definition.name) for trial in unit.slots]
        return replace(order, gpus=self.dispatcher.resources(unit).gpus, alone=unit.alone, slots=slots)

    def finish(self, unit: WorkUnit) -> None:
        try:
            execute_unit(self.order(unit))
        except TrialFailedError:
            self.dispatcher.ended(unit, crashed=True)
        else:
            self.dispatcher.ended(unit, crashed=False)

    def run(self, workers: int, seed: int, units: int | None = None) -> list[WorkUnit]:
        """Run until nothing is left or so many units have ended; return them in the order they ended."""
        chance, flying, ended = random.Random(seed), list[WorkUnit](), list[WorkUnit]()  # noqa: S311
        while units is None or len(ended) < units:
            while len(flying) < workers and (unit := self.dispatcher.next_unit()) is not None:
                flying.append(unit)
            if not flying:
                break
            ended.append(flying.pop(chance.randrange(len(flying))))
            self.finish(ended[-1])
        return ended

    def results(self) -> dict[str, Any]:
        """Everything that a study reports of its trials and that is no time, place or attempt."""
        return self.results_of(self.folder)

    @staticmethod
    def results_of(folder: RunFolder) -> dict[str, Any]:
        found = {}
        for trial_id, state in read_states(folder).items():
            history, events = state.history, read_journal(folder.trial(trial_id).journal).events
            planned = {key: value for key, value in planned_event(events).items() if key != "time"}
            metrics = {epoch: record["metrics"] for epoch, record in epoch_records(events).items()}
            rows = next((event["task_metrics"] for event in events if event["event"] == "finished"), None)
            found[trial_id] = (planned, history.state, history.epoch, history.objective, metrics, rows)
        return found


@pytest.fixture
def simulate(tmp_path: Path, runners_on_path: None) -> Callable[..., Simulation]:
    """Return a way to open a simulation of a plan in a folder of this name."""

    def open_simulation(plan: StudyPlan, name: str = "run", **options: Any) -> Simulation:
        return Simulation(plan, RunFolder(tmp_path / name), **options)

    return open_simulation


@pytest.fixture(scope="session")
def train_study(tiny_study: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunFolder]:
    """Return a way to train the trials of a tiny study with other keys, in this process and without Ray."""

    def train(name: str, **sections: Any) -> RunFolder:
        home = tmp_path_factory.mktemp(name)
        (home / "study.yaml").write_text(yaml.safe_dump(tiny_study(name=name, **sections)))
        plan = compile_plan(load_study(home / "study.yaml"))
        folder = RunFolder(home / "runs" / name)
        write_plan(plan, folder)
        folder.definition.write_text(dump_study(plan.definition))
        Simulation(plan, folder, runner=RUN_TRIAL).run(workers=1, seed=0)
        return folder

    return train
