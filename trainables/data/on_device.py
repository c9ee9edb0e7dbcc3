"""Images kept whole on an accelerator, where they fit."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.preprocessing import to_device

SHARE = 0.5
"""Of the device memory still free to the trial, the share that images may take; the rest is for its steps."""

CHUNK_BYTES = 2**26
"""Bytes of images copied to the device at once."""


def belongs_there(images: int, choice: Literal["auto", "always", "never"], device: torch.device) -> bool:
    """Return whether images of so many bytes are kept on the device, by ``compute.data_on_device``; not on the CPU."""
    if device.type == "cpu" or choice == "never":
        return False
    return choice == "always" or images <= SHARE * free_bytes(device)


def free_bytes(device: torch.device) -> int:
    """Return the device memory that this process may still take; a trial's share of a GPU limits it."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        own = int(total * torch.cuda.get_per_process_memory_fraction(device.index)) - torch.cuda.memory_reserved(device)
        return max(0, min(free, own))
    if device.type == "mps":
        return max(0, torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return 0


def all_on_device(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Return all images (N, H, W, 3) on the device, uint8; they pass through the memory of the host in parts."""
    there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    step = max(1, CHUNK_BYTES // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        part = images[start : start + step]
        there[start : start + len(part)] = to_device(part, device)
    return there
