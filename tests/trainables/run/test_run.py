"""What a trial measures, reports and leaves behind."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from trainables.config.identity import trial_id
from trainables.config.runtime import ComputeConfig
from trainables.config.trial import TrialConfig
from trainables.data import prepare_dataset
from trainables.data.dataset import MANIFEST, Manifest
from trainables.foundation.files import file_checksum
from trainables.foundation.pulse import heard_by
from trainables.networks.multi_task import MultiTaskModel
from trainables.outcome import EpochRecord
from trainables.run import run_trial
from trainables.training.checkpoint import load_checkpoint, save_checkpoint
from trainables.training.device_memory import forget_frames
from trainables.training.runtime import Runtime, trial_runtime

Make = Callable[..., Any]


def test_a_workspace_serves_one_trial(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
    run(trial(), tmp_path, cache, until_epoch=1)
    with pytest.raises(ValueError, match=r"checkpoint.pt belongs to trial"):
        run(trial(train_seed=6), tmp_path, cache)
    run(trial(), tmp_path, cache)
    with pytest.raises(ValueError, match=r"weights.safetensors contains the weights of trial"):
        run(trial(train_seed=6), tmp_path, cache)


def test_a_workspace_of_before_the_cpu_left_the_ids_is_continued(
    tmp_path: Path, cache: Path, trial: Make, run: Make
) -> None:
    config = trial(compute={"device": "cpu"})
    once = run(config, tmp_path / "once", cache)
    first = run(config, tmp_path, cache, until_epoch=1)
    found = load_checkpoint(tmp_path / "checkpoint.pt", trial_id(config, fingerprint(config, cache)))
    assert found is not None
    before = trial_id(config, fingerprint(config, cache), cpu_in_ids=True)
    assert before != found.trial_id
    save_checkpoint(tmp_path / "checkpoint.pt", replace(found, trial_id=before))
    again = run(config, tmp_path, cache)
    assert again.earlier == [1]
    assert again.metrics | first.metrics == once.metrics


def fingerprint(config: TrialConfig, cache: Path) -> str:
    return prepare_dataset(config.data, config.data_seed, cache).fingerprint


def test_a_checkpoint_of_another_gpu_is_continued_with_a_warning(
    tmp_path: Path, cache: Path, trial: Make, run: Make, caplog: pytest.LogCaptureFixture
) -> None:
    config, path = trial(), tmp_path / "checkpoint.pt"
    run(config, tmp_path, cache, until_epoch=1)
    found = load_checkpoint(path, trial_id(config, fingerprint(config, cache)))
    assert found is not None
    assert found.computed_by == {"torch": torch.__version__}
    run(config, tmp_path, cache, until_epoch=2)
    assert not [text for text in caplog.messages if "computed by" in text]
    save_checkpoint(path, replace(found, computed_by={"torch": "2.12.0", "gpu": "NVIDIA A100"}))
    assert run(config, tmp_path, cache).earlier == [1]
    assert f"by 2.12.0, NVIDIA A100 and is continued by {torch.__version__}: the last bits" in caplog.text


def test_a_finished_trial_is_measured_again_with_the_same_numbers(
    tmp_path: Path, cache: Path, trial: Make, run: Make
) -> None:
    config = trial(evaluation={"splits": ("validation", "test")})
    first, again = run(config, tmp_path, cache), run(config, tmp_path, cache, until_epoch=1)
    assert again.metrics == first.metrics
    assert again.earlier == [1, 2, 3, 4]
    assert first.outcome is not None
    assert again.outcome is not None
    assert again.outcome.finished
    assert again.outcome.epochs_run == config.optimization.epochs
    assert again.outcome.task_metrics == first.outcome.task_metrics
    assert {row.split for row in first.outcome.task_metrics} == {"validation", "test"}
    with safe_open(tmp_path / "weights.safetensors", framework="pt") as file:
        assert TrialConfig.model_validate_json(file.metadata()["config"]) == config


def test_a_rung_measures_only_what_is_asked_for(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
    def rows(name: str, asked: str | None, until_epoch: int) -> set[Any]:
        config = trial(evaluation={"rung_metric": asked})
        outcome = run(config, tmp_path / name, cache, until_epoch=until_epoch).outcome
        assert outcome is not None
        return set(outcome.task_metrics)

    every = rows("all", None, 1)
    assert len({row.metric for row in every}) == 9
    assert rows("one", "recall_at_1", 1) == {row for row in every if row.metric == "recall_at_1"}
    rows("one", "recall_at_1", 2)
    assert rows("one", "recall_at_1", 1) == {row for row in every if row.metric == "recall_at_1"}
    other = rows("one", "triplet_accuracy", 1)  # never measured there, so the trial starts over
    assert other == {row for row in every if row.metric == "triplet_accuracy"}
    assert rows("one", "triplet_accuracy", 4) == rows("all", None, 4)


def test_test_images_are_touched_only_when_finished_and_asked_for(tmp_path: Path, trial: Make, run: Make) -> None:
    """With test labels in which no triplet can be formed, whoever looks at them fails."""
    cache = tmp_path / "cache"
    prepare_dataset(trial().data, 0, cache)
    (labels,) = cache.rglob("test-labels.npy")
    np.save(labels, np.zeros_like(np.load(labels)))
    manifest = Manifest.read(labels.with_name(MANIFEST))
    checksums = manifest.checksums | {labels.name: file_checksum(labels)}  # so that it is no damage
    replace(manifest, checksums=checksums).write(labels.with_name(MANIFEST))
    assert run(trial(), tmp_path / "tune", cache).outcome is not None
    confirm = trial(evaluation={"splits": ("validation", "test")})
    assert run(confirm, tmp_path / "confirm", cache, until_epoch=2).outcome is not None
    with pytest.raises(ValueError, match="'test'"):
        run(confirm, tmp_path / "confirm", cache)


def test_epoch_metrics_are_complete_and_true(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
    config = trial(evaluation={"validate_every": 2})
    tasks = config.data.tasks
    told = run(config, tmp_path, cache)
    assert [("validation/triplet_accuracy" in told.metrics[epoch]) for epoch in range(1, 5)] == [False, True] * 2
    last = told.metrics[4]
    expected = {"train/loss", "train/active_triplets", "train/valid_triplets", "optimization/learning_rate"}
    expected |= {f"train/triplet_loss/{task}" for task in tasks}
    expected |= {"modulation/dead_channels/res5", "modulation/dead_channels/fc", "validation/triplet_accuracy"}
    expected |= {f"validation/{task}/triplet_accuracy" for task in tasks}
    assert last.keys() == expected
    assert last["train/loss"] == pytest.approx(np.mean([last[f"train/triplet_loss/{task}"] for task in tasks]))
    assert 0 < last["train/active_triplets"] <= 1
    assert told.outcome is not None
    final = {
        row.task: row.value
        for row in told.outcome.task_metrics
        if row.metric == "triplet_accuracy" and row.average == "query"
    }
    assert {task: last[f"validation/{task}/triplet_accuracy"] for task in tasks} == final
    assert told.metrics[1]["optimization/learning_rate"] == 3e-3
    assert told.metrics[3]["optimization/learning_rate"] == pytest.approx(1.5e-3)
    assert told.outcome.peak_memory_bytes > 2**20


def test_the_process_is_left_as_it_was(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
    def state() -> tuple[Any, ...]:
        numpy_state = np.random.get_state()[1]  # noqa: NPY002 - the global state is what must not move
        return (
            torch.get_rng_state().tolist(),
            list(numpy_state),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        )

    before = state()
    run(trial(), tmp_path, cache, until_epoch=1)
    assert state() == before


def test_until_epoch_must_be_positive(tmp_path: Path, cache: Path, trial: Make, run: Make) -> None:
    with pytest.raises(ValueError, match="until_epoch must be at least 1, got 0"):
        run(trial(), tmp_path, cache, until_epoch=0)


def test_a_trial_gives_signs_of_life_in_every_step_and_evaluation(tmp_path: Path, cache: Path, trial: Make) -> None:
    beats: list[None] = []
    config = trial()
    with heard_by(lambda: beats.append(None)):
        run_trial(config, report=lambda _record: None, workspace=tmp_path, cache=cache)
    assert len(beats) >= 3 * config.optimization.epochs  # begin of the epoch, a step, a chunk of validation


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_a_trial_is_alive_when_its_runtime_ends(
    fails: bool, tmp_path: Path, cache: Path, trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is alive then would keep its part of a shared GPU."""
    alive = []

    @contextmanager
    def watched(compute: ComputeConfig) -> Iterator[Runtime]:
        with trial_runtime(compute) as runtime:
            try:
                yield runtime
            except ZeroDivisionError as error:
                forget_frames(error)
            gc.collect()
            alive.append(sum(type(each) is MultiTaskModel for each in gc.get_objects()))

    def report(record: EpochRecord) -> None:
        assert record.epoch / (not fails)

    monkeypatch.setattr("trainables.run.trial_runtime", watched)
    gc.collect()
    before = sum(type(each) is MultiTaskModel for each in gc.get_objects())
    run_trial(trial(), report=report, workspace=tmp_path / "trial", cache=cache)
    assert alive == [before]
