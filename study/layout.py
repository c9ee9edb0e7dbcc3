"""Where everything of a run lies: one folder a study, one folder a trial, one cache of decoded images a node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from platformdirs import user_cache_path

from study.errors import naming

RUNS = Path("runs")
"""Where the folders of runs lie unless ``--runs-dir`` says otherwise."""


@dataclass(frozen=True)
class TrialFolder:
    """The files of one trial."""

    path: Path

    @property
    def journal(self) -> Path:
        """What happened, one JSON object a line."""
        return self.path / "journal.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The state to go on from; gone once the trial has finished."""
        return self.path / "checkpoint.pt"

    @property
    def hang(self) -> Path:
        """Where a worker that hung stood in its code; gone otherwise."""
        return self.path / "hang.txt"

    @property
    def weights(self) -> Path:
        """The trained weights of a finished trial."""
        return self.path / "weights.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one study. ``path`` must be absolute where workers in other directories are to find it."""

    path: Path

    @property
    def definition(self) -> Path:
        """The study file as it was run, with the path of the data made absolute."""
        return self.path / "study.yaml"

    @property
    def plan(self) -> Path:
        """The arms with their storage figures."""
        return self.path / "plan.json"

    @property
    def data(self) -> Path:
        """What the images were found to hold."""
        return self.path / "data.json"

    @property
    def trials(self) -> Path:
        """The folder of trial folders."""
        return self.path / "trials"

    @property
    def tables(self) -> Path:
        """The Parquet tables."""
        return self.path / "tables"

    @property
    def report(self) -> Path:
        """The report and its figures."""
        return self.path / "report"

    @property
    def affinity(self) -> Path:
        """What ``modstudy affinity`` measured, with the groupings chosen from it."""
        return self.path / "affinity" / "affinity.yaml"

    @property
    def ray(self) -> Path:
        """Ray's scratch; nothing in it is needed to go on."""
        return self.path / "ray"

    def next_earlier(self) -> Path:
        """Return a folder that is not there yet, for what a run with ``--retrain`` puts aside."""
        return next(path for path in (self.path / "earlier" / str(n) for n in count(1)) if not path.exists())

    @property
    def lock(self) -> Path:
        """Held by the one driver that runs this study."""
        return self.path / "run.lock"

    @property
    def mlflow_runs(self) -> Path:
        """Which MLflow run belongs to the study, to each arm and to each trial."""
        return self.path / "mlflow_runs.json"

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifacts of the embedded MLflow store."""
        return self.path / "mlflow-artifacts"

    @property
    def mlflow_store(self) -> Path:
        """The embedded MLflow store, a SQLite file."""
        return self.path / "mlflow.db"

    @property
    def mlflow_identity(self) -> Path:
        """By what this folder's runs are told from those of other folders in one MLflow store."""
        return self.path / "mlflow_folder.json"

    def trial(self, trial_id: str) -> TrialFolder:
        """Return the folder of one trial, whether it exists or not."""
        return TrialFolder(self.trials / trial_id)


def sqlite_uri(path: Path) -> str:
    """Return the address under which SQLAlchemy opens a SQLite file, whatever characters are in its path."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def dataset_cache() -> Path:
    """Return where decoded images are kept on this node: ``MODSTUDY_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get("MODSTUDY_CACHE"):
        return Path(chosen).expanduser().resolve()
    return user_cache_path("modstudy", appauthor=False)


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, never a part.

    Raises:
        OSError: the disk is full; names the file, and leaves nothing of it behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path):
            with temporary.open("w", encoding="utf-8") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
    except BaseException:  # a full disk: leave it the room that the half file takes
        temporary.unlink(missing_ok=True)
        raise
