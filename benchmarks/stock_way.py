"""The stock way to run trials and track them: Tune's own loggers and its MLflow callback, a process for every trial."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.nothing import METRICS
from study.layout import sqlite_uri

_OWN_SETTINGS = ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "TUNE_GLOBAL_CHECKPOINT_S", "TUNE_MAX_PENDING_TRIALS_PG")


def nothing(config: dict[str, Any]) -> None:
    """Report the metrics of one epoch; nothing is trained."""
    from ray import tune

    rate = config["learning_rate"]
    measured = {f"validation/{task}/{metric}": rate for task in config["tasks"] for metric in METRICS}
    tune.report({"train/loss": rate, **measured})


def stock(trials: int, at_once: int, tasks: list[str]) -> None:
    """Run so many trials that do nothing, as a user of Tune and MLflow does who changes no default.

    Raises:
        SystemExit: a trial failed.
    """
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    for name in _OWN_SETTINGS:
        os.environ.pop(name, None)
    for name in ("alembic", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as path:
        store = MLflowLoggerCallback(tracking_uri=sqlite_uri(Path(path) / "mlflow.db"), experiment_name="many")
        tuner = tune.Tuner(
            tune.with_resources(nothing, {"cpu": 1}),
            param_space={"learning_rate": tune.loguniform(1e-4, 1e-1), "tasks": tasks},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=at_once),
            run_config=tune.RunConfig(storage_path=path, verbose=0, callbacks=[store]),
        )
        if failed := tuner.fit().num_errors:
            raise SystemExit(f"{failed} of the stock trials failed")
