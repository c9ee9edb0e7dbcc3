"""Memory of a shared GPU: what a trial may take of it, and that it gives it back. Most of it needs a GPU."""

from __future__ import annotations

import weakref

import pytest
import torch

from trainables.config.runtime import ComputeConfig
from trainables.foundation.device_share import device_share, sharing_device
from trainables.training.device_memory import forget_frames, limited_memory
from trainables.training.runtime import Runtime, peak_memory_bytes, trial_runtime

MEGABYTE = 2**20


def test_a_trial_has_the_whole_device_unless_it_is_told_its_share():
    with sharing_device(0.25):
        assert device_share() == 0.25
        with sharing_device(1.0):
            assert device_share() == 1.0
        assert device_share() == 0.25
    assert device_share() == 1.0


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="above 0 and at most 1"), sharing_device(share):
        pass


def fail_with_a_tensor(seen: list[weakref.ref[torch.Tensor]]) -> None:
    tensor = torch.zeros(8)
    seen.append(weakref.ref(tensor))
    try:
        float(tensor.sum()) / 0
    except ZeroDivisionError as error:
        raise RuntimeError("as told") from error


def test_an_error_that_is_kept_keeps_no_tensor_alive():
    seen: list[weakref.ref[torch.Tensor]] = []
    with pytest.raises(RuntimeError, match="as told") as kept:
        fail_with_a_tensor(seen)
    assert seen[0]() is not None
    forget_frames(kept.value)
    assert seen[0]() is None
    assert "in fail_with_a_tensor" in str(kept.getrepr(style="native"))  # it still says where


def test_frames_are_kept_on_the_cpu():
    seen: list[weakref.ref[torch.Tensor]] = []
    with pytest.raises(RuntimeError, match="as told") as kept, limited_memory(torch.device("cpu")):
        fail_with_a_tensor(seen)
    assert kept.traceback
    assert seen[0]() is not None  # a debugger finds it


class Gpu:
    """What CUDA is told, in order, on a machine that has none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[object] = []
        self.fraction = 1.0
        monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: self.fraction)
        monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", self._set)
        monkeypatch.setattr(torch.cuda, "empty_cache", self._empty)
        self.tensors: list[weakref.ref[torch.Tensor]] = []

    def _set(self, fraction: float, _: int | None) -> None:
        self.fraction = fraction
        self.told.append(fraction)

    def _empty(self) -> None:
        alive = [tensor for tensor in self.tensors if tensor() is not None]
        self.told.append("emptied" if not alive else "emptied too early")


@pytest.mark.parametrize("share", [0.25, 1.0])
@pytest.mark.parametrize("fails", [False, True])
def test_the_share_is_set_and_put_back_and_the_pool_emptied_after_its_tensors(share, fails, monkeypatch):
    gpu = Gpu(monkeypatch)
    kept: list[RuntimeError] = []  # as the journal keeps the error
    with sharing_device(share):
        try:
            with limited_memory(torch.device("cuda")):
                assert gpu.told == [share]
                if fails:
                    fail_with_a_tensor(gpu.tensors)
        except RuntimeError as error:
            kept.append(error)
    assert len(gpu.tensors) == len(kept) == fails
    assert gpu.told == [share, "emptied", 1.0]


def test_the_peak_of_a_gpu_is_what_was_reserved(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 7 if device.type == "cuda" else 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 5)
    runtime = Runtime(torch.device("cuda"), torch.channels_last, bf16=False)
    assert peak_memory_bytes(runtime) == 7


@pytest.fixture
def compute() -> ComputeConfig:
    """Settings of a trial on a GPU."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU that CUDA can use")
    return ComputeConfig(device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_share_limits_the_process_for_as_long_as_the_trial_runs(share, compute):
    before = torch.cuda.get_per_process_memory_fraction()
    total = torch.cuda.get_device_properties().total_memory
    with sharing_device(share), trial_runtime(compute):
        assert torch.cuda.get_per_process_memory_fraction() == pytest.approx(share)
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(int(1.1 * share * total), dtype=torch.uint8, device="cuda")
    assert torch.cuda.get_per_process_memory_fraction() == before


def hold_and_fail(compute: ComputeConfig) -> None:
    with trial_runtime(compute) as runtime:
        assert peak_memory_bytes(runtime) < 256 * MEGABYTE
        raise RuntimeError(f"with {_hold(runtime.device)} bytes")


def _hold(device: torch.device) -> int:
    return torch.empty(256 * MEGABYTE, dtype=torch.uint8, device=device).numel()


@pytest.mark.gpu
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_failed_trial_gives_its_memory_back_before_the_next_one(attempt, compute):
    before = torch.cuda.memory_reserved()
    with pytest.raises(RuntimeError, match="bytes") as kept:
        hold_and_fail(compute)
    assert torch.cuda.memory_reserved() <= before
    assert kept.value.__traceback__ is not None


@pytest.mark.gpu
def test_the_peak_counts_what_is_reserved_for_tensors_of_odd_sizes(compute):
    with trial_runtime(compute) as runtime:
        held = torch.empty(64 * MEGABYTE + 1, dtype=torch.uint8, device="cuda")
        assert peak_memory_bytes(runtime) >= torch.cuda.memory_reserved() > held.numel()
