"""Seconds a trial that does nothing costs: this project's run against the plain way to use Ray Tune with MLflow.

    python -m benchmarks.orchestration [--trials 200] [--peer-trials 10] [--repeats 3] [--without-torch]

The trial imports torch, as every trial that trains must, and reports numbers without training; ``--without-torch``
spares both sides that import. Ours: ``run_study`` with the journal written and flushed for every trial, a Sobol
round drawn, and MLflow (SQLite) fed by a process beside it, its start and last sync included. Peer: a function
trainable that reports the same numbers, default loggers, Ray's own ``MLflowLoggerCallback`` on SQLite, a new process
for every trial. Both call the same function, inside one Ray that is started before, on as many CPUs, two trials at a
time.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import nothing
from benchmarks.measure import seconds
from benchmarks.mirrored_run import MirroredRun
from study.definition.model import StudyDefinition
from study.layout import RunFolder
from study.plan.document import write_plan
from study.plan.plan import compile_plan
from study.tune.cluster import connected
from study.tune.runner import RunOptions, run_study
from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord, TrialOutcome


def definition(trials: int) -> StudyDefinition:
    """One arm whose ``trials`` tune trials differ in their learning rate."""
    return StudyDefinition.model_validate(
        {
            "name": "nothing",
            "data": {"source": {"kind": "generated"}, "tasks": ["Smiling", "Hat", "Beard"], "image_size": 48},
            "network": {"width": 0.125},
            "optimization": {"epochs": 1},
            "space": {
                "blocks": [{"placement": ["late"]}],
                "nuisance": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
            },
            "search": {"trials_per_arm": trials - 1, "round_size": trials - 1},
            "confirm": {"seeds": [1]},
        }
    )


def ours(trials: int, runner: Callable[..., TrialOutcome]) -> None:
    """Run the study and mirror it."""
    with tempfile.TemporaryDirectory() as path:
        folder = RunFolder(Path(path) / "run")
        plan = compile_plan(definition(trials))
        write_plan(plan, folder)
        with MirroredRun(folder, "nothing"):
            options = RunOptions(max_concurrent=2, runner=f"benchmarks.nothing:{runner.__name__}")
            summary = run_study(plan, folder, options)
        if summary.completed != trials:
            raise SystemExit(f"only {summary.completed} of {trials} trials were completed")


def plain_function(config: dict[str, Any], trial: TrialConfig, runner: Callable[..., TrialOutcome]) -> None:
    """The peer's trainable: calls the same function and reports its numbers."""
    from ray import tune

    values = trial.model_dump(mode="json")
    values["optimization"]["learning_rate"] = config["learning_rate"]
    curves: list[EpochRecord] = []
    outcome = runner(TrialConfig.model_validate(values), report=curves.append)
    numbers = {f"{row.split}/{row.task}/{row.metric}": row.value for row in outcome.task_metrics}
    tune.report({**curves[-1].metrics, **numbers})


def peer(trials: int, runner: Callable[..., TrialOutcome]) -> None:
    """Run as many trials the way Ray's documentation does."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    with tempfile.TemporaryDirectory() as path:
        callback = MLflowLoggerCallback(tracking_uri=f"sqlite:///{path}/mlflow.db", experiment_name="nothing")
        tuner = tune.Tuner(
            tune.with_parameters(plain_function, trial=compile_plan(definition(2)).arms[0].config, runner=runner),
            param_space={"learning_rate": tune.loguniform(1e-4, 1e-1)},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2),
            run_config=tune.RunConfig(storage_path=f"{path}/ray", callbacks=[callback], verbose=0),
        )
        failed = tuner.fit().num_errors
        if failed:
            raise SystemExit(f"{failed} of the peer's trials failed")


def main() -> None:
    """Print seconds a trial of both sides and the ratio, pair by pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--peer-trials", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--without-torch", action="store_true")
    options = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.ERROR)
    runner = nothing.run_nothing if options.without_torch else nothing.run_nothing_with_torch
    mine, theirs = [], []
    with connected(None, threads=1):
        ours(2, runner)  # imports and MLflow's tables
        for _ in range(options.repeats):
            mine.append(seconds(lambda: ours(options.trials, runner)) / options.trials)
            theirs.append(seconds(lambda: peer(options.peer_trials, runner)) / options.peer_trials)
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    print(f"ours: median {median(mine):.3f} s a trial [{min(mine):.3f}, {max(mine):.3f}] at {options.trials} trials")
    print(f"peer: median {median(theirs):.3f} s a trial [{min(theirs):.3f}, {max(theirs):.3f}]")
    print(f"ratio: {median(ratios):.1f} x [{min(ratios):.1f}, {max(ratios):.1f}] over {len(ratios)} pairs")


if __name__ == "__main__":
    main()
