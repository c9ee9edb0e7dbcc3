"""Where and how one trial computes: device, threads, precision, layout, repeatability, and its peak memory.

Workers run one trial after another in the same process, so every process-wide switch touched here is put back.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.utils.deterministic

from trainables.config.runtime import ComputeConfig

Placed = TypeVar("Placed", bound=torch.nn.Module)


@dataclass(frozen=True)
class Runtime:
    """The device of a trial, the memory layout of its images and weights, and its precision.

    Attributes:
        device: Where weights and batches live.
        memory_format: ``torch.channels_last`` or ``torch.contiguous_format``, for images and convolution weights.
        bf16: Whether the network runs under bfloat16 autocast. Weights and losses stay fp32.
    """

    device: torch.device
    memory_format: torch.memory_format
    bf16: bool

    def autocast(self) -> torch.autocast:
        """Return the context in which the network (never the loss) is to be called."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def place(self, module: Placed) -> Placed:
        """Bring a module to the device and its convolutions into the layout; returns the module."""
        module.to(self.device)
        return module.to(memory_format=self.memory_format)  # type: ignore[call-overload,no-any-return]  # missing in stubs

    def synchronize(self) -> None:
        """Wait for the device, so that a clock read next measures work done and not work queued."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` takes CUDA before MPS before the CPU.

    Raises:
        ValueError: the device asked for is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if not present[name]:
        known = ", ".join(kind for kind, here in present.items() if here)
        raise ValueError(f"compute.device: {name!r} is not available on this machine; available: auto, {known}")
    return torch.device(name)


def gpus_here() -> int:
    """Return the GPUs of this machine that CUDA can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@contextmanager
def trial_runtime(compute: ComputeConfig) -> Iterator[Runtime]:
    """Set the process up for one trial and put it back afterwards, whatever happened in between.

    Threads are the trial's own (they change the last bits, see ``ComputeConfig``). On the CPU only deterministic
    kernels are allowed, so equal settings give equal bits. On CUDA cuDNN is held to deterministic kernels, without
    autotuning and TF32; a few CUDA kernels still add in any order, so equality there is close, not exact.

    Raises:
        ValueError: the device asked for is not there.
    """
    device = choose_device(compute.device)
    with ExitStack() as stack:
        stack.enter_context(_threads(compute.threads))
        stack.enter_context(_default_dtype(torch.float32))
        stack.enter_context(torch.set_grad_enabled(True))
        if device.type == "cpu":
            stack.enter_context(_deterministic_kernels())
        elif device.type == "cuda":
            stack.enter_context(
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
            )
            torch.cuda.reset_peak_memory_stats(device)
        _restart_peak_resident()
        layout = torch.channels_last if compute.channels_last else torch.contiguous_format
        yield Runtime(device, layout, bf16=compute.precision == "bf16")


def peak_memory_bytes(runtime: Runtime) -> int:
    """Return the most memory held since ``trial_runtime`` began.

    On CUDA: tensors allocated on the device. Elsewhere: resident memory of this process, with the interpreter, the
    libraries and the pages of the memory-mapped images it has touched. Where the operating system cannot restart its
    high-water mark (anything but Linux), it is the mark of the whole life of the process, which is an upper bound.
    """
    if runtime.device.type == "cuda":
        return torch.cuda.max_memory_allocated(runtime.device)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS


def _restart_peak_resident() -> None:
    """Set the high-water mark of resident memory to what is resident now (Linux: 5 means exactly that)."""
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        try:
            switch.write_text("5")
        except PermissionError:  # hardened containers: the mark of the whole process remains, an upper bound
            return


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, changes no bit
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
