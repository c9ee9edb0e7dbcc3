"""Studies of made-up numbers, run by the real work orders, journals and dispatcher."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.plan import StudyPlan, compile_plan
from study.schedule.dispatch import Dispatcher
from study.schedule.units import WorkUnit, read_states
from study.tune.execution import TrialFailedError, WorkOrder, execute

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


@pytest.fixture(autouse=True)
def runners_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and the workers it starts import ``orchestration_runners``."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("PYTHONPATH", here)
    yield
    sys.modules.pop("orchestration_runners", None)


@pytest.fixture
def make_plan() -> MakePlan:
    def make(**changes: Any) -> StudyPlan:
        definition = StudyDefinition.model_validate({**SETTINGS, **changes})
        return compile_plan(definition)

    return make


class Simulation:
    """Workers without Ray: units in flight end in a random order."""

    def __init__(self, plan: StudyPlan, folder: RunFolder, runner: str = "orchestration_runners:train") -> None:
        self.plan = plan
        self.folder = folder
        self.runner = runner
        self.dispatcher = Dispatcher(plan, folder, read_states(folder))

    def order(self, unit: WorkUnit) -> WorkOrder:
        event = unit.trial.planned_event(self.plan.definition.name)
        return WorkOrder(str(self.folder.path), event, unit.until_epoch, "triplet_accuracy", "query", self.runner)

    def finish(self, unit: WorkUnit) -> None:
        try:
            execute(self.order(unit))
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
            history = state.history
            planned = {key: value for key, value in history.planned.items() if key != "time"}
            metrics = {epoch: record["metrics"] for epoch, record in history.epochs.items()}
            rows = history.finished["task_metrics"] if history.finished else None
            found[trial_id] = (planned, history.state, history.epoch, history.objective, metrics, rows)
        return found


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., Simulation]:
    """Return a way to open a simulation of a plan in a folder of this name."""

    def open_simulation(plan: StudyPlan, name: str = "run", **options: Any) -> Simulation:
        return Simulation(plan, RunFolder(tmp_path / name), **options)

    return open_simulation
