"""Every method gives the same bits however often the trial was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainables.config.trial import TrialConfig
from trainables.losses.balancing import BALANCERS
from trainables.outcome import EpochRecord
from trainables.run import run_trial


def trial(method: str, optimizer: str) -> TrialConfig:
    source = {"kind": "generated", "train_images": 24, "validation_images": 24, "test_images": 30}
    return TrialConfig.model_validate(
        {
            "data": {"source": source, "tasks": ("Smiling", "Glasses", "Hat"), "image_size": 48},
            "network": {"width": 0.0625},
            "modulation": {"points": ("fc",)},
            "batches": {"batch_size": 12},
            "optimization": {"epochs": 3, "steps_per_epoch": 1, "learning_rate": 3e-3, "optimizer": optimizer},
            "evaluation": {"triplets_per_task": 20, "validate_every": 3},
            "balancing": {"method": method},
            "compute": {"device": "cpu"},
        }
    )


def trained_metrics(record: EpochRecord) -> dict[str, float]:
    """Validation is looked at whenever a call ends, so only what training tells is compared."""
    return {name: value for name, value in record.metrics.items() if not name.startswith("validation")}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


STATELESS = {"pcgrad", "cagrad", "mgda", "upgrad", "dualproj", "aligned_mtl"}
"""Methods that keep nothing from step to step, of which ``imtl_g`` stands for all among the quick tests."""


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.long if name in STATELESS else ()) for name in BALANCERS]
)
def test_pausing_changes_no_bit(method: str, tmp_path: Path, cache: Path) -> None:
    told: dict[str, list[EpochRecord]] = {"straight": [], "paused": []}
    config = trial(method, "adam")
    for way, rungs in (("straight", (3,)), ("paused", (1, 2, 3))):
        for rung in rungs:
            run_trial(
                config,
                report=told[way].append,
                workspace=tmp_path / way,
                cache=cache,
                until_epoch=rung,
            )
    straight = {record.epoch: trained_metrics(record) for record in told["straight"]}
    assert list(straight) == [1, 2, 3]
    assert all(trained_metrics(record) == straight[record.epoch] for record in told["paused"])
    assert [record.epoch for record in told["paused"] if not record.earlier] == [1, 2, 3]
    first, second = (load_file(tmp_path / way / "weights.safetensors") for way in told)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any("balanc" in name or "variance" in name for name in first)
