"""Seconds and memory of the report of a large study, on journals that are made up: nothing is trained.

    python -m benchmarks.large_study [--trials 1000] [--tasks 12] [--epochs 50] [--arms 40] [--keep FOLDER] [--profile]

The journals have the lines, and about the size, of those of real trials with these numbers of tasks and epochs. What is
measured is ``modstudy report`` in a process of its own: it reads all journals, writes the tables, computes the
statistics, and writes the report with its figures. ``--keep`` makes the study in a folder, or uses the one that is
there; ``--profile`` prints where the time goes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.tables.metrics import TASK_METRICS
from study.definition.loading import dump_study
from study.definition.model import StudyDefinition
from study.journal.journal import sealed_line
from study.journal.state import TrialState, read_state
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import PlannedTrial, StudyPlan, compile_plan
from study.schedule.design import ArmDesign
from study.schedule.drawing import DrawnRounds

Floats = NDArray[np.float64]

_SEEDS = 5
_PROFILED = 120
"""Lines of a profile that are shown."""


@dataclass(frozen=True)
class Size:
    """The size of a study."""

    trials: int
    tasks: int
    epochs: int
    arms: int

    @property
    def tune(self) -> int:
        """Tune trials of an arm, so that the study has about as many trials as asked for."""
        return max(1, round(self.trials / self.arms) - _SEEDS)


def definition(size: Size) -> StudyDefinition:
    """Return a study of so many arms: shared, separate, and late modulation that starts at different values."""
    starts = [{"kind": "normal", "mean": round(0.5 + n / 100, 3), "std": 0.1} for n in range(size.arms - 2)]
    columns = [f"task{n}" for n in range(size.tasks)]
    return StudyDefinition.model_validate(
        {
            "name": "large",
            "data": {"source": {"kind": "generated"}, "tasks": columns, "image_size": 48},
            "network": {"width": 0.125},
            "optimization": {"epochs": size.epochs},
            "space": {
                "blocks": [
                    {"placement": ["none"], "grouping": ["per_task", "network_per_task"]},
                    {"placement": ["late"], "initialization": starts},
                ],
                "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
            },
            "search": {"trials_per_arm": size.tune, "round_size": size.tune},
            "confirm": {"seeds": list(range(1, _SEEDS + 1))},
        }
    )


def make(folder: RunFolder, size: Size) -> StudyPlan:
    """Write the plan of a study and the journals of all its trials, as if it had been run."""
    study = definition(size)
    plan = compile_plan(study, "0123456789abcdef")
    write_plan(plan, folder)
    folder.definition.write_text(dump_study(study), encoding="utf-8")
    rounds, clock = DrawnRounds(folder), Clock()
    for number, arm in enumerate(plan.arms):
        design, states = ArmDesign(plan, arm, rounds), dict[str, TrialState]()
        while ready := design.progress(states).ready:
            for unit in ready:
                state = _played(unit.trial, folder, _skill(number, len(plan.arms)), clock)
                states[unit.trial.trial_id] = state
    return plan


class Clock:
    """Time that passes by a second with every look."""

    def __init__(self) -> None:
        self._now = 1_700_000_000.0

    def tick(self) -> float:
        """Return the next second."""
        self._now += 1.0
        return self._now


def _skill(arm: int, arms: int) -> float:
    return 0.65 + 0.2 * arm / arms


def _played(trial: PlannedTrial, folder: RunFolder, skill: float, clock: Clock) -> TrialState:
    """Write the journal of a trial that was completed at once; return its state."""
    generator = np.random.default_rng(int(trial.trial_id[:8], 16))
    config, epochs = trial.config, trial.config.optimization.epochs
    tasks = config.data.tasks
    end = skill + generator.normal(0, 0.01, len(tasks)) - 0.05 * abs(np.log10(config.optimization.learning_rate) + 2.5)
    events: list[dict[str, Any]] = [
        {"event": "planned", **trial.planned_event("large")},
        {"event": "started", "attempt": 1, "from_epoch": 0, "host": "node1", "pid": 1, "versions": {"torch": "2.13"}},
    ]
    for epoch in range(1, epochs + 1):
        accuracy = 0.5 + (end - 0.5) * (1 - np.exp(-4 * epoch / epochs)) + generator.normal(0, 0.004, len(tasks))
        events.append({"event": "epoch", "epoch": epoch, "seconds": 3.2, "metrics": _curves(tasks, epoch, accuracy)})
    events.append(
        {
            "event": "finished",
            "epochs_run": epochs,
            "objective": float(end.mean()),
            "task_metrics": _final(config.evaluation.splits, tasks, end),
            "peak_memory_bytes": 300_000_000,
            "rungs": [],
        }
    )
    journal = folder.trial(trial.trial_id).journal
    journal.parent.mkdir(parents=True)
    lines = [sealed_line({"event": event.pop("event"), "time": clock.tick(), **event}) for event in events]
    journal.write_text("".join(lines), encoding="utf-8")
    state = read_state(journal)
    if state is None:
        raise SystemExit(f"{journal}: made without a planned event")
    return state


def _curves(tasks: tuple[str, ...], epoch: int, accuracy: Floats) -> dict[str, float]:
    """Return what a trial reports of an epoch."""
    loss = 0.2 / epoch
    return {
        "optimization/learning_rate": 1e-3,
        "train/loss": loss,
        "train/active_triplets": 0.5,
        "train/valid_triplets": 3.7e6,
        **{f"train/triplet_loss/{task}": loss + 0.01 * place for place, task in enumerate(tasks)},
        "validation/triplet_accuracy": float(accuracy.mean()),
        **{f"validation/{task}/triplet_accuracy": float(value) for task, value in zip(tasks, accuracy, strict=True)},
    }


def _final(splits: tuple[str, ...], tasks: tuple[str, ...], accuracy: Floats) -> list[dict[str, Any]]:
    """Return every metric of every task, as a completed trial reports them."""
    return [
        {
            "split": split,
            "task": task,
            "metric": metric,
            "average": average,
            "value": float(value if metric == "triplet_accuracy" else 0.8 * value),
            "chance": 0.5,
            "queries": 2000,
        }
        for split in splits
        for task, value in zip(tasks, accuracy, strict=True)
        for metric in TASK_METRICS
        for average in ("query", "class")
    ]


@dataclass(frozen=True)
class Cost:
    """Wall seconds, seconds of all processors, and peak memory in bytes."""

    wall_s: float
    cpu_s: float
    memory: float


def measured(folder: RunFolder, *, profile: bool) -> Cost:
    """Return what ``modstudy report`` costs in a process of its own."""
    report = [sys.executable, "-m", "study", "report", str(folder.path)]
    if profile:
        report[1:1] = ["-m", "cProfile", "-s", "cumulative"]
    start = time.perf_counter()
    ended = subprocess.run(report, check=False, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if ended.returncode:
        raise SystemExit(ended.stderr)
    if profile:
        print("\n".join(ended.stdout.splitlines()[:_PROFILED]))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, used.ru_utime + used.ru_stime, 1024.0 * used.ru_maxrss)


def main() -> None:
    """Make a study, or use the one in ``--keep``, and print how long its report takes and how much memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"trials": 1000, "tasks": 12, "epochs": 50, "arms": 40}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    size = Size(options.trials, options.tasks, options.epochs, options.arms)
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder((options.keep or Path(path) / "large").resolve())
        if not folder.plan.is_file():
            folder.path.mkdir(parents=True, exist_ok=True)
            make(folder, size)
        journals = list(folder.trials.glob("*/journal.jsonl"))
        written = sum(journal.stat().st_size for journal in journals)
        print(f"{len(journals)} trials, {written / 1e6:.0f} MB of journals: {json.dumps(vars(size))}")
        cost = measured(folder, profile=options.profile)
        print(f"report: {cost.wall_s:.1f} s ({cost.cpu_s:.1f} s of processors), at most {cost.memory / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
