"""The runtime of one trial: device, threads, precision, memory layout, determinism and peak memory.

Workers run several trials in the same process, so each process-wide setting changed here is restored.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from trainables.config.runtime import ComputeConfig, check_precision
from trainables.training.device_memory import limited_memory, peak_memory, restart_peak
from trainables.training.numerics import cpu_numerics, cuda_numerics

Placed = TypeVar("Placed", bound=torch.nn.Module)


@dataclass(frozen=True)
class Runtime:
    """The device of a trial, the memory layout of its images and weights, and its precision.

    Attributes:
        device: The device of weights and batches.
        memory_format: ``torch.channels_last`` or ``torch.contiguous_format``, for images and convolution weights.
        bf16: Whether the network runs under bfloat16 autocast. Weights and losses stay fp32.
        unrepeatable: Names of operations that ran without a deterministic kernel, in a trial that asks for them.
    """

    device: torch.device
    memory_format: torch.memory_format
    bf16: bool
    unrepeatable: set[str] = field(default_factory=set)

    def autocast(self) -> torch.autocast:
        """Return the context in which to call the network (never the loss)."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def place(self, module: Placed) -> Placed:
        """Move a module to the device and its convolutions to the memory layout; return the module."""
        module.to(self.device)
        return module.to(memory_format=self.memory_format)  # type: ignore[call-overload,no-any-return]  # missing in stubs

    def synchronize(self) -> None:
        """Wait for the device, so that a time read next includes all queued work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` prefers CUDA, then MPS, then the CPU.

    Raises:
        ValueError: the device is not available.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if not present[name]:
        known = ", ".join(kind for kind, here in present.items() if here)
        raise ValueError(f"compute.device: {name!r} is not available on this machine; available: auto, {known}")
    return torch.device(name)


def computed_by(device: str) -> dict[str, str]:
    """Return what the last bits of a trial on this kind of device depend on: torch, on CUDA also the GPU and cuDNN."""
    found = {"torch": str(torch.__version__)}  # a plain text: checkpoints hold no other
    if device == "cuda" and torch.cuda.is_available():
        cuda = torch.version.cuda or torch.version.hip
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found |= {"gpu": torch.cuda.get_device_name(), "cuda": str(cuda), "cudnn": str(cudnn)}
    return found


def gpus_here() -> int:
    """Return the GPUs of this machine that CUDA can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@contextmanager
def trial_runtime(compute: ComputeConfig) -> Iterator[Runtime]:
    """Set up the process for one trial, and always restore it afterwards.

    The trial sets the number of threads (it changes the last bits, see ``ComputeConfig``). On the CPU only
    deterministic kernels are allowed, so equal settings give bit-identical results. On CUDA the same holds for
    ``compute.deterministic``, on one type of GPU with one version of the software; operations that have no such kernel
    run nevertheless and are named in ``Runtime.unrepeatable``. TF32 is off unless ``compute.precision`` is ``tf32``.

    Raises:
        ValueError: the device is not available, or lacks the precision.
    """
    device = choose_device(compute.device)
    check_precision(compute.precision, device.type)
    unrepeatable: set[str] = set()
    with ExitStack() as stack:
        stack.enter_context(threads(compute.threads))
        stack.enter_context(_default_dtype(torch.float32))
        stack.enter_context(torch.set_grad_enabled(True))
        if device.type == "cpu":
            stack.enter_context(cpu_numerics())
        elif device.type == "cuda":
            stack.enter_context(cuda_numerics(compute, unrepeatable))
            stack.enter_context(limited_memory(device))
            restart_peak(device)
        _restart_peak_resident()
        layout = torch.channels_last if compute.channels_last else torch.contiguous_format
        yield Runtime(device, layout, compute.precision == "bf16", unrepeatable)


def peak_memory_bytes(runtime: Runtime) -> int:
    """Return the peak memory since ``trial_runtime`` began, in bytes.

    On CUDA: memory reserved on the device. Elsewhere: resident memory of this process, including the interpreter, the
    libraries and the touched pages of memory-mapped images. Operating systems other than Linux cannot reset the
    high-water mark, so it covers the lifetime of the process, which is an upper bound.
    """
    if runtime.device.type == "cuda":
        return peak_memory(runtime.device)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, kilobytes elsewhere


def _restart_peak_resident() -> None:
    """Reset the high-water mark of resident memory to its current value (on Linux, by writing 5)."""
    switch = Path("/proc/self/clear_refs")
    if switch.exists():
        try:
            switch.write_text("5")
        except PermissionError:  # hardened containers: the lifetime mark remains, an upper bound
            return


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute an operation with ``count`` threads in the block, also in Python threads that begin there."""
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
