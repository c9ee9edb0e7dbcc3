"""What a network draws depends on the trial alone, and the process's random streams are as nobody had drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.diagnostics.affinity_pilot import run_affinity_pilot
from trainables.foundation.global_stream import global_stream
from trainables.losses.balancing import BALANCERS
from trainables.outcome import EpochRecord
from trainables.run import run_trial
from trainables.training.timing import seconds_per_epoch

FOLDER = Path(__file__).parents[1] / "networks"


def config(network: str, **sections: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 24, "validation_images": 16, "test_images": 16},
            "tasks": ("Smiling", "Glasses", "Hat"),
            "image_size": 32,
        },
        "network": {"backbone": f"drawing_networks:{network}", "points": ("first", "second"), "folder": FOLDER},
        "batches": {"batch_size": 12},
        "optimization": {"epochs": 2, "learning_rate": 3e-3},
        "evaluation": {"triplets_per_task": 20},
        "agreement": {"every_epochs": 1, "images": 10},
        "compute": {"device": "cpu"},
    }
    return TrialConfig.model_validate(values | sections)


def streams() -> tuple[list[int], str, Any]:
    return torch.get_rng_state().tolist(), str(np.random.get_state(legacy=False)), random.getstate()  # noqa: NPY002


def same_from_everywhere(work: Callable[[], Any]) -> Any:
    """Run twice from other states of all streams; they stay as they are, and the answers are equal."""
    answers = []
    for state in (1, 2):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        random.seed(state)
        before = streams()
        answers.append(work())
        assert streams() == before
    assert answers[0] == answers[1]
    return answers[0]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("cache")
    prepare_dataset(config("drawing").data, 0, found)
    return found


@pytest.fixture
def trained(tmp_path: Path, cache: Path) -> Callable[[TrialConfig], Any]:
    def run(trial: TrialConfig) -> Any:
        records: list[Any] = []
        workspace = tmp_path / str(len(list(tmp_path.iterdir())))

        def report(record: EpochRecord) -> None:
            records.append((record.epoch, record.metrics))

        outcome = run_trial(trial, report=report, workspace=workspace, cache=cache)
        again = run_trial(trial, report=report, workspace=workspace, cache=cache)
        assert again.task_metrics == outcome.task_metrics
        weights = load_file(workspace / "weights.safetensors")
        return records, outcome.task_metrics, {name: tensor.tolist() for name, tensor in weights.items()}

    return run


@pytest.mark.parametrize("method", BALANCERS)
def test_a_trial_neither_reads_nor_moves_the_global_streams(method: str, trained: Callable[[TrialConfig], Any]) -> None:
    trial = config("drawing", balancing={"method": method}, modulation={"points": ("second",)})
    same_from_everywhere(lambda: trained(trial))


@pytest.mark.parametrize("batches", [{"batch_size": 12}, {"scheme": "triplets", "batch_size": 18}])
def test_a_network_that_draws_in_evaluation_is_measured_the_same_everywhere(
    batches: dict[str, Any], trained: Callable[[TrialConfig], Any]
) -> None:
    trial = config("drawing_always", balancing={"method": "famo"}, batches=batches, augmentation={"flip": True})
    same_from_everywhere(lambda: trained(trial))


@pytest.mark.parametrize("network", ["drawing", "drawing_always"])
def test_affinity_neither_reads_nor_moves_the_global_streams(network: str, cache: Path) -> None:
    def work() -> Any:
        found = run_affinity_pilot(config(network), cache=cache, every_steps=2, progress=lambda *_: None)
        return found.affinity.tolist(), found.cosine.tolist()

    affinity, _ = same_from_everywhere(work)
    assert np.isfinite(affinity).all()


def test_timing_a_step_moves_no_global_stream(cache: Path) -> None:
    before = streams()
    assert seconds_per_epoch(config("drawing_always"), cache, 1) > 0
    assert streams() == before


def fail_after(drawn: list[Any]) -> None:
    raise KeyError(drawn)


def test_streams_are_put_back_after_a_failure() -> None:
    before = streams()
    with pytest.raises(KeyError), global_stream(3):
        fail_after(drawn := [torch.rand(1), np.random.random(), random.random()])  # noqa: NPY002, S311
    assert streams() == before
    with global_stream(3):
        assert drawn == [torch.rand(1), np.random.random(), random.random()]  # noqa: NPY002, S311


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", BALANCERS)
def test_the_stream_of_the_gpu_is_neither_read_nor_moved(method: str, trained: Callable[[TrialConfig], Any]) -> None:
    trial = config("drawing", balancing={"method": method}, compute={"device": "cuda"})
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    trained(trial)
    assert torch.equal(torch.cuda.get_rng_state(), before)
