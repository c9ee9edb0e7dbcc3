"""Milliseconds of the driver's processor that the end of a unit costs, under each way to prune, without Ray.

    python -m benchmarks.dispatching [--trials 2000] [--arms 80 2]

Counted is the dispatcher alone: it hands out a unit, reads its journal when it has ended, decides, and draws the next
round. The trials write real journals and train nothing; sixteen are in flight and end in a random order. The last
column is the cost over the last quarter of the events against that over the first: 1 where it does not grow.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import compile_plan
from study.schedule.dispatch import Dispatcher
from study.schedule.units import WorkUnit
from study.tune.fused_execution import execute_unit
from study.tune.orders import WorkOrder
from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome

_SEEDS = 5
_IN_FLIGHT = 16
_RUNGS = {"rungs": [1, 3], "keep": 0.5}
_SMALL_ROUND = 5
_EXPLORED_ROUND = 24

KINDS: Mapping[str, Mapping[str, Any]] = {
    "one round": {},
    "rounds of five": {"round_size": _SMALL_ROUND},
    "halving": {"halving": _RUNGS},
    "asynchronous halving": {"halving": {**_RUNGS, "mode": "asynchronous"}},
    "halving, cheaper arms, rounds of five": {"halving": {**_RUNGS, "stop_beaten": True}, "round_size": _SMALL_ROUND},
    "explore, rounds of 24": {"mode": "explore", "round_size": _EXPLORED_ROUND},
}
"""What is set in ``search``, by a name."""


def definition(search: Mapping[str, Any], trials: int, arms: int) -> StudyDefinition:
    """Return a study of late modulation that starts at so many different values, pruned as ``search`` says."""
    starts = [{"kind": "normal", "mean": round(0.5 + n / 1000, 4), "std": 0.1} for n in range(arms)]
    tune = max(1, trials // arms - _SEEDS)
    size = {"trials": trials} if search.get("mode") == "explore" else {"trials_per_arm": tune, "round_size": tune}
    return StudyDefinition.model_validate(
        {
            "name": "dispatching",
            "data": {"source": {"kind": "generated"}, "tasks": ["Smiling", "Hat", "Beard"], "image_size": 48},
            "network": {"width": 0.125},
            "optimization": {"epochs": 9},
            "space": {
                "blocks": [{"placement": ["late"], "initialization": starts}],
                "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
            },
            "search": {**size, **search},
            "confirm": {"seeds": list(range(1, _SEEDS + 1))},
        }
    )


def event_costs(study: StudyDefinition, folder: RunFolder) -> list[float]:
    """Run a study; return the seconds of processor that each event, the end of a unit, cost the dispatcher."""
    folder.path.mkdir(parents=True)
    plan = compile_plan(study)
    write_plan(plan, folder)
    dispatcher, chance = Dispatcher(plan, folder, {}), random.Random(0)  # noqa: S311 - no secret
    flying, costs = list[WorkUnit](), list[float]()
    while True:
        begun = time.process_time()
        while len(flying) < _IN_FLIGHT and (unit := dispatcher.next_unit()) is not None:
            flying.append(unit)
        cost = time.process_time() - begun
        if not flying:
            return costs
        ended = flying.pop(chance.randrange(len(flying)))
        _do(ended, study, folder)
        begun = time.process_time()
        dispatcher.ended(ended, crashed=False)
        costs.append(cost + time.process_time() - begun)


def run_epochs(config: TrialConfig, *, report: Any, until_epoch: int | None = None, **_: Any) -> TrialOutcome:
    """Stand where ``run_trial`` stands: the objective is drawn from the trial's learning rate, nothing is trained."""
    epochs = config.optimization.epochs
    done = until_epoch or epochs
    for epoch in range(1, done + 1):
        report(EpochRecord(epoch, 0.0, {}))
    value = random.Random(f"{config.optimization.learning_rate} {done}").random()  # noqa: S311 - no secret
    splits, tasks = config.evaluation.splits, config.data.tasks
    rows = tuple(
        TaskMetric(split, task, "triplet_accuracy", "query", value, 0.5, 1) for split in splits for task in tasks
    )
    return TrialOutcome(done, done == epochs, rows, 0, None)


def _do(unit: WorkUnit, study: StudyDefinition, folder: RunFolder) -> None:
    event = unit.trial.planned_event(study.name, study.confirm.seeds)
    metric, average = study.selection.metric, study.selection.average
    execute_unit(
        WorkOrder(str(folder.path), event, unit.until_epoch, metric, average, "benchmarks.dispatching:run_epochs")
    )


def main() -> None:
    """Print a row for each way to prune and number of arms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--arms", type=int, nargs="+", default=[80, 2])
    options = parser.parse_args()
    print("| search | arms | events | ms an event | last quarter / first |\n| --- | ---: | ---: | ---: | ---: |")
    for name, search in KINDS.items():
        for arms in options.arms:
            with tempfile.TemporaryDirectory() as path:
                costs = event_costs(definition(search, options.trials, arms), RunFolder(Path(path) / "run"))
            quarter = len(costs) // 4
            growth = mean(costs[-quarter:]) / mean(costs[:quarter])
            print(f"| {name} | {arms} | {len(costs)} | {1e3 * mean(costs):.2f} | {growth:.1f} |", flush=True)


if __name__ == "__main__":
    main()
