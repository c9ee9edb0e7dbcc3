"""A checkpoint is whole, absent, or refused; it is never half."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest
import torch

from trainables.foundation.files import temporary_path, write_atomically
from trainables.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


def _checkpoint(trial_id: str = "a" * 16) -> Checkpoint:
    generator = torch.Generator().manual_seed(7)
    weights = torch.randn(64, 8, 3, 3, generator=generator).to(memory_format=torch.channels_last)
    return Checkpoint(
        trial_id=trial_id,
        epoch=3,
        step=36,
        model={"conv.weight": weights},
        optimizer={"state": {0: {"step": torch.tensor(36.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        sampler={"generator": {"state": 2**100, "name": "PCG64"}},
        balancer={"weights": torch.tensor([0.5, 1.5])},
        peak_memory_bytes=12,
        records={"epochs": [[epoch, 1.5, {"train/loss": 0.1}] for epoch in (1, 2, 3)], "rungs": []},
    )


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    written = _checkpoint()
    save_checkpoint(path, written)
    read = load_checkpoint(path, written.trial_id)
    assert read is not None
    assert torch.equal(read.model["conv.weight"], written.model["conv.weight"])
    assert read.model["conv.weight"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(read.balancer["weights"], written.balancer["weights"])
    assert (read.epoch, read.step, read.sampler) == (3, 36, written.sampler)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_none_without_a_file(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "checkpoint.pt", "a" * 16) is None


@pytest.mark.parametrize("damage", ["empty", "torn", "flipped", "other content", "code"])
def test_a_damaged_file_is_set_aside_with_a_warning(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, _checkpoint())
    content = bytearray(path.read_bytes())
    if damage == "torn":
        content = content[: len(content) // 2]
    elif damage == "empty":
        content = bytearray()
    elif damage == "flipped":
        values = _checkpoint().model["conv.weight"].permute(0, 2, 3, 1).contiguous().numpy().tobytes()
        content[bytes(content).index(values) + 1000] ^= 1
    path.write_bytes(content)
    if damage == "other content":
        torch.save({"epoch": 3}, path)
    elif damage == "code":
        torch.save({"epoch": pytest.raises}, path)
    with caplog.at_level(logging.WARNING):
        assert load_checkpoint(path, "a" * 16) is None
    assert not path.exists()
    assert (tmp_path / "checkpoint.pt.unreadable").exists()
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_leaves_a_sound_file_where_it_is(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, _checkpoint())

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(type(error)):
        load_checkpoint(path, "a" * 16)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (tmp_path / "trapped",)

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(pickle.dumps(Trap()))
    assert load_checkpoint(path, "a" * 16) is None
    torch.save({"trap": Trap()}, path)
    assert load_checkpoint(path, "a" * 16) is None
    assert not (tmp_path / "trapped").exists()


def test_another_trials_checkpoint_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, _checkpoint("b" * 16))
    with pytest.raises(ValueError, match=r"checkpoint.pt belongs to trial bbbb.*, not to aaaa"):
        load_checkpoint(path, "a" * 16)
    assert path.exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old") and None)

    def fail(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert not temporary_path(path).exists(), "half a file takes room, and on a full disk the last of it"
    write_atomically(path, lambda file: file.write(b"new") and None)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"
