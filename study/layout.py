"""The files of a run: one folder per study, one per trial, and one cache of decoded images per node."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from trainables.sources.remote.place import node_cache

RUNS = Path("runs")
"""The default folder of run folders, unless ``--runs-dir`` is given."""


@dataclass(frozen=True)
class TrialFolder:
    """The files of one trial."""

    path: Path

    @property
    def journal(self) -> Path:
        """The trial's events, one JSON object per line."""
        return self.path / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """Locked by the one process that may write here."""
        return self.path / "trial.lock"

    @property
    def checkpoint(self) -> Path:
        """The state to resume from; removed when the trial has finished."""
        return self.path / "checkpoint.pt"

    @property
    def pending_checkpoint(self) -> Path:
        """The checkpoint of an epoch that not all trials of a fused unit have kept yet."""
        return self.path / "checkpoint.next.pt"

    @property
    def hang(self) -> Path:
        """The stack of a worker that hung; absent otherwise."""
        return self.path / "hang.txt"

    @property
    def weights(self) -> Path:
        """The trained weights of a finished trial."""
        return self.path / "weights.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one study. ``path`` must be absolute if workers in other directories use it.

    ``url``: the store of which it is a copy (``study.store``); empty for a folder.
    """

    path: Path
    url: str = ""

    @property
    def shown(self) -> str:
        """The place of the study as a user types it."""
        return self.url or str(self.path)

    @property
    def definition(self) -> Path:
        """The study file as run, with an absolute data path."""
        return self.path / "study.yaml"

    @property
    def plan(self) -> Path:
        """The arms with their storage figures."""
        return self.path / "plan.json"

    @property
    def data(self) -> Path:
        """Findings about the images."""
        return self.path / "data.json"

    @property
    def provenance(self) -> Path:
        """What each run was started with, one JSON object a line."""
        return self.path / "provenance.jsonl"

    @property
    def rounds(self) -> Path:
        """The values that each round of tune trials drew, one JSON object a line."""
        return self.path / "rounds.jsonl"

    @property
    def packing(self) -> Path:
        """How many trials of each arm share an accelerator, as probed."""
        return self.path / "packing.json"

    @property
    def trials(self) -> Path:
        """The folder of trial folders."""
        return self.path / "trials"

    @property
    def journal_index(self) -> Path:
        """What the journals said when they were last read; may be deleted at any time."""
        return self.path / "journals.index"

    @property
    def tables(self) -> Path:
        """The Parquet tables."""
        return self.path / "tables"

    @property
    def table_index(self) -> Path:
        """What the rows of the long tables were made from; may be deleted at any time."""
        return self.path / "tables.index"

    @property
    def report(self) -> Path:
        """The report and its figures."""
        return self.path / "report"

    @property
    def storage(self) -> Path:
        """The results of ``modstudy storage``."""
        return self.path / "storage"

    @property
    def packs(self) -> Path:
        """Networks exported from the run, see ``trainables.packs``."""
        return self.path / "packs"

    @property
    def measured_storage(self) -> Path:
        """What trials yielded after their networks and indexes were stored."""
        return self.storage / "measured.json"

    @property
    def affinity(self) -> Path:
        """The results of ``modstudy affinity``, with the groupings selected from them."""
        return self.path / "affinity" / "affinity.yaml"

    @property
    def ray(self) -> Path:
        """Ray's scratch space; resuming does not need it."""
        return self.path / "ray"

    def next_earlier(self) -> Path:
        """Return a new folder for what a run with ``--retrain`` sets aside."""
        return next(path for path in (self.path / "earlier" / str(n) for n in count(1)) if not path.exists())

    @property
    def lock(self) -> Path:
        """Locked by the driver that runs this study."""
        return self.path / "run.lock"

    @property
    def mlflow_runs(self) -> Path:
        """The MLflow runs of the study, its arms and its trials."""
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
        """The id that distinguishes this folder's runs from those of other folders in one MLflow store."""
        return self.path / "mlflow_folder.json"

    def trial(self, trial_id: str) -> TrialFolder:
        """Return the folder of one trial, whether it exists or not."""
        return TrialFolder(self.trials / trial_id)


def sqlite_uri(path: Path) -> str:
    """Return the address with which SQLAlchemy opens a SQLite file, for any characters in its path."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def dataset_cache() -> Path:
    """Return the folder of decoded images on this node: ``MODSTUDY_CACHE``, or the user's cache folder."""
    return node_cache()
