"""Keep the tables of a made-up study as files of the current schema: ``python tests/results/tables/keep_tables.py``.

Done once after ``SCHEMA_VERSION`` was raised. Files of older versions stay as they are: they stand for the run folders
that people have.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2])]


def keep(folder: Path) -> None:
    """Write every table of a small study."""
    from conftest import ARMS, make_study

    from results.analysis.summary import summarize
    from results.tables.writing import write_tables

    study = make_study(tuple(arm for arm in ARMS if arm.name in ("shared", "separate", "late")), (1, 2))
    metrics = study.task_metrics[study.task_metrics["task"].isin(["smiling", "hat"])]
    curves = [
        {**{name: trial[name] for name in ("study", "trial_id", "arm_id", "stage")}, "epoch": epoch, "value": 1 / epoch}
        | {"metric": "train/loss"}
        for trial in study.trials.to_dict("records")
        for epoch in (1, 2)
    ]
    summary = summarize(study.trials, metrics, study.storage)
    tables = {"trials": study.trials, "task_metrics": metrics, "storage": study.storage, "failures": study.failures}
    write_tables(folder, {**tables, "curves": curves, "summary": summary})


if __name__ == "__main__":
    from results.tables.schema import SCHEMA_VERSION

    keep(HERE / "data" / f"schema-{SCHEMA_VERSION}")
