"""A short trial on drawn faces, and what running it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from trainables.config.trial import TrialConfig
from trainables.outcome import EpochRecord, TrialOutcome
from trainables.run import run_trial


@dataclass
class Run:
    """What a trial told, by epoch; a repeated epoch must tell the same."""

    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    outcome: TrialOutcome | None = None
    earlier: list[int] = field(default_factory=list)
    """Epochs that were reported again, for a caller who lost them."""

    def report(self, record: EpochRecord) -> None:
        self.earlier += [record.epoch] * record.earlier
        assert self.metrics.setdefault(record.epoch, record.metrics) == record.metrics
        assert record.seconds > 0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trial() -> Callable[..., TrialConfig]:
    """Make the configuration of the trial, with other settings in some sections."""
    return _trial


@pytest.fixture(scope="session")
def run() -> Callable[..., Run]:
    """Run a trial in a workspace, with a cache, to its end or to a rung."""
    return _run


@pytest.fixture(scope="session")
def new_record() -> Callable[[], Run]:
    """Make a record of what a trial tells."""
    return Run


def _trial(**settings: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 48, "validation_images": 24, "test_images": 30},
            "tasks": ("Smiling", "Glasses", "Hat"),
            "image_size": 48,
        },
        "network": {"width": 0.0625},
        "modulation": {"points": ("res5", "fc")},
        "batches": {"batch_size": 12},
        "optimization": {
            "epochs": 4,
            "steps_per_epoch": 2,
            "learning_rate": 3e-3,
            "schedule": "cosine",
            "weight_decay": 1e-3,
        },
        "evaluation": {"triplets_per_task": 50},
        "compute": {"device": "cpu"},
        "train_seed": 5,
    }
    for section, chosen in settings.items():
        values[section] = values.get(section, {}) | chosen if isinstance(chosen, dict) else chosen
    return TrialConfig(**values)


def _run(config: TrialConfig, workspace: Path, cache: Path, until_epoch: int | None = None) -> Run:
    told = Run()
    told.outcome = run_trial(config, report=told.report, workspace=workspace, cache=cache, until_epoch=until_epoch)
    return told
