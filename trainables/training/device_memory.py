"""The memory of a GPU that several trials share: the limit of one trial, its release, and its peak.

Workers run many trials in one process. PyTorch keeps freed memory in a pool of the process, so a small trial after a
large one would go on holding the memory of the large one, which its neighbours need.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainables.failures import causes
from trainables.foundation.device_share import device_share


@contextmanager
def limited_memory(device: torch.device) -> Iterator[None]:
    """Limit this process to the trial's share of the GPU, and give all memory back when the block ends, well or not.

    Memory beyond the share raises ``torch.OutOfMemoryError`` in this trial, not in a neighbour. The share is that of
    ``device_share``, of the GPU's whole memory; CUDA's own context, some hundred MB for each process, is not part of
    it. The local variables of an error's frames are dropped, since they would keep the tensors. Does nothing on other
    devices.
    """
    if device.type != "cuda":
        yield
        return
    index = device.index  # None, the current one, is not taken of a device
    before = torch.cuda.get_per_process_memory_fraction(index)
    torch.cuda.set_per_process_memory_fraction(device_share(), index)
    try:
        yield
    except BaseException as error:
        forget_frames(error)
        raise
    finally:
        gc.collect()  # models and their hooks hold each other
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(before, index)


def forget_frames(error: BaseException) -> None:
    """Clear the local variables of the frames that an error and its causes have passed, except those still running."""
    for cause in causes(error):
        traceback.clear_frames(cause.__traceback__)


def restart_peak(device: torch.device) -> None:
    """Let ``peak_memory`` count from now on."""
    torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Return the bytes that this process has reserved on the GPU at most, since ``restart_peak``.

    Reserved memory, unlike that of tensors, includes the pool's unused parts and CUDA graphs: what a neighbour cannot
    have.
    """
    return torch.cuda.max_memory_reserved(device)
