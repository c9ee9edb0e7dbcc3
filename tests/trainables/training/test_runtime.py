"""One trial must leave no trace in a worker that runs the next one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainables.config.runtime import ComputeConfig
from trainables.training.runtime import choose_device, peak_memory_bytes, trial_runtime


def _process_state() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.is_autocast_enabled("cpu"),
    )


def _fails_inside(threads: int) -> None:
    with trial_runtime(ComputeConfig(device="cpu", threads=threads)) as runtime, runtime.autocast():
        raise RuntimeError("a trial fails")


def test_the_process_is_put_back_also_after_an_error() -> None:
    before = _process_state()
    threads = torch.get_num_threads() + 1
    with trial_runtime(ComputeConfig(device="cpu", threads=threads)):
        assert torch.get_num_threads() == threads
        assert torch.are_deterministic_algorithms_enabled()
    assert _process_state() == before
    with pytest.raises(RuntimeError, match="a trial fails"):
        _fails_inside(threads)
    assert _process_state() == before


def test_what_the_caller_had_set_does_not_reach_the_trial() -> None:
    with torch.no_grad():
        torch.set_default_dtype(torch.float64)
        try:
            with trial_runtime(ComputeConfig(device="cpu")):
                assert torch.is_grad_enabled()
                assert torch.zeros(1).dtype == torch.float32
            assert not torch.is_grad_enabled()
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(ValueError, match=r"compute.device: 'cuda' is not available.*available: auto, .*cpu"):
        choose_device("cuda")
    assert choose_device("auto").type in ("cpu", "mps")


def test_precision_and_layout() -> None:
    with trial_runtime(ComputeConfig(device="cpu", precision="bf16", channels_last=False)) as runtime:
        assert runtime.memory_format == torch.contiguous_format
        with runtime.autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with trial_runtime(ComputeConfig(device="cpu")) as runtime, runtime.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_peak_memory_is_of_this_trial_alone() -> None:
    size = 300 * 2**20
    with trial_runtime(ComputeConfig(device="cpu")) as runtime:
        large = np.ones(size, np.uint8)
        assert large.sum() == size
        peak = peak_memory_bytes(runtime)
    del large
    with trial_runtime(ComputeConfig(device="cpu")) as runtime:
        later = peak_memory_bytes(runtime)
    assert peak > size
    assert later < peak - size // 2
