"""A damaged file of weights or a damaged checkpoint costs time; it never becomes another number."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.config.trial import TrialConfig
from trainables.networks.multi_task import build_model
from trainables.outcome import EpochRecord, TaskMetric, TrialOutcome
from trainables.run import run_trial
from trainables.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainables.training.records import TrialRecords
from trainables.training.weights import read_weights, save_weights

RECORDS = TrialRecords(
    [EpochRecord(1, 0.5, {"train/loss": 0.123456789, "nan": float("inf")}), EpochRecord(2, 0.5, {})],
    {1: (TaskMetric("validation", "Hat", "recall_at_1", "query", 0.1, 0.2, 3),)},
)


def trial(**settings: Any) -> TrialConfig:
    values: dict[str, Any] = {
        "data": {
            "source": {"kind": "generated", "train_images": 24, "validation_images": 12, "test_images": 12},
            "tasks": ("Smiling", "Hat"),
            "image_size": 48,
        },
        "network": {"width": 0.0625},
        "batches": {"batch_size": 12},
        "optimization": {"epochs": 3},
        "evaluation": {"triplets_per_task": 20, "splits": ("validation", "test")},
        "compute": {"device": "cpu"},
    }
    return TrialConfig(**(values | settings))


class Told:
    """What a call of ``run_trial`` told, and which epochs were those of an earlier call."""

    def __init__(self, workspace: Path, cache: Path, until_epoch: int | None = None) -> None:
        self.metrics: dict[int, dict[str, float]] = {}
        self.earlier: list[int] = []
        self.outcome: TrialOutcome = run_trial(
            trial(), report=self._report, workspace=workspace, cache=cache, until_epoch=until_epoch
        )

    def _report(self, record: EpochRecord) -> None:
        self.metrics[record.epoch] = record.metrics
        self.earlier += [record.epoch] * record.earlier


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return Told(tmp_path_factory.mktemp("undisturbed"), cache)


def flipped(content: bytes, place: int, bit: int = 2) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def test_no_flipped_byte_of_a_weights_file_is_read_as_another_number(tmp_path: Path) -> None:
    config, path = trial(), tmp_path / "weights.safetensors"
    model = build_model(config)
    save_weights(path, model, config, "a", RECORDS)
    content, stored = path.read_bytes(), model.stored_state()
    head = int.from_bytes(content[:8], "little") + 8
    for place in (*range(0, head, 23), *range(head, len(content), 4001)):
        path.write_bytes(flipped(content, place))
        found = read_weights(path, "a")
        if found is None:
            assert not path.exists()
            continue
        assert found.records == RECORDS
        assert found.tensors.keys() == stored.keys()
        assert all(torch.equal(tensor, stored[name]) for name, tensor in found.tensors.items())


@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.long)])
def test_no_flipped_byte_of_a_checkpoint_is_read_as_another_number(every: int, tmp_path: Path) -> None:
    path, weights = tmp_path / "checkpoint.pt", torch.arange(6.0)
    plain = {"optimizer": {}, "sampler": {"seed": 7}, "balancer": {}, "peak_memory_bytes": 1}
    save_checkpoint(path, Checkpoint("a", 2, 4, {"w": weights}, **plain, records=RECORDS.to_dict()))
    content = path.read_bytes()
    for place in range(0, len(content), every):
        path.write_bytes(flipped(content, place))
        found = load_checkpoint(path, "a")
        if found is not None:
            assert torch.equal(found.model["w"], weights)
            assert (found.epoch, found.step, found.sampler) == (2, 4, {"seed": 7})
            assert TrialRecords.from_dict(found.records) == RECORDS


def test_records_come_back_as_they_were() -> None:
    assert TrialRecords.from_dict(RECORDS.to_dict()) == RECORDS


@pytest.mark.parametrize("damage", ["bit", "bytes", "cut", "empty", "zeros"])
def test_damaged_weights_are_trained_again_to_the_same_numbers(
    damage: str, tmp_path: Path, cache: Path, undisturbed: Told, caplog: pytest.LogCaptureFixture
) -> None:
    Told(tmp_path, cache)
    path = tmp_path / "weights.safetensors"
    whole = path.read_bytes()
    middle = len(whole) - len(whole) // 3
    path.write_bytes(
        {
            "bit": flipped(whole, middle),
            "bytes": whole[:middle] + b"\xff" * 60 + whole[middle + 60 :],  # NaN in every embedding
            "cut": whole[:middle],
            "empty": b"",
            "zeros": b"\0" * len(whole),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        again = Told(tmp_path, cache)
    assert "the trial starts over" in caplog.text
    assert again.earlier == []
    assert again.metrics == undisturbed.metrics
    assert again.outcome.task_metrics == undisturbed.outcome.task_metrics
    assert (tmp_path / "weights.safetensors.unreadable").exists()


def test_what_was_told_is_told_again_from_checkpoint_and_weights(
    tmp_path: Path, cache: Path, undisturbed: Told
) -> None:
    assert Told(tmp_path, cache, 1).earlier == []
    assert Told(tmp_path, cache, 2).earlier == [1]
    end = Told(tmp_path, cache)
    assert end.earlier == [1, 2]
    assert end.metrics == undisturbed.metrics
    again = Told(tmp_path, cache)
    assert again.earlier == [1, 2, 3]
    assert again.metrics == undisturbed.metrics
    assert again.outcome.task_metrics == undisturbed.outcome.task_metrics


def test_a_rung_that_was_passed_is_answered_as_it_was(tmp_path: Path, cache: Path) -> None:
    paused = [Told(tmp_path, cache, rung) for rung in (1, 2)]
    for told in paused:  # from the checkpoint of epoch 2, then from the weights
        assert Told(tmp_path, cache, told.outcome.epochs_run).outcome.task_metrics == told.outcome.task_metrics
    Told(tmp_path, cache)
    for told in paused:
        again = Told(tmp_path, cache, told.outcome.epochs_run)
        assert (again.outcome.finished, again.metrics) == (False, told.metrics)
        assert again.outcome.task_metrics == told.outcome.task_metrics
        assert again.outcome.epochs_run == told.outcome.epochs_run
    assert Told(tmp_path, cache).outcome.finished


def test_a_checkpoint_beyond_a_rung_that_was_never_measured_starts_over(tmp_path: Path, cache: Path) -> None:
    Told(tmp_path / "one", cache, 2)
    behind = Told(tmp_path / "one", cache, 1)
    expected = Told(tmp_path / "other", cache, 1)
    assert behind.earlier == []
    assert behind.metrics == expected.metrics
    assert behind.outcome.task_metrics == expected.outcome.task_metrics


def test_a_flipped_byte_in_a_file_of_start_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "start.pth"
    network = build_model(trial()).members[0]
    torch.save(network.backbone.state_dict(), path)
    whole = path.read_bytes()
    weights = network.backbone.state_dict()["stages.conv1.0.weight"].numpy().tobytes()
    build_model(trial(network={"width": 0.0625, "weights": {"path": path}}))
    path.write_bytes(flipped(whole, whole.index(weights) + 5))
    with pytest.raises(ValueError, match=r"network\.weights\.path: .*start\.pth .*checksum of .* does not match"):
        build_model(trial(network={"width": 0.0625, "weights": {"path": path}}))
