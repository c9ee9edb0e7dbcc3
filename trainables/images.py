"""From stored pixels to what a network reads."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def to_network_input(images: NDArray[np.uint8], device: torch.device, channels_last: bool) -> torch.Tensor:
    """Return a float32 batch (B, 3, H, W) in [-1, 1] on ``device``.

    Pixels cross to the device as uint8, a quarter of the bytes.

    Args:
        images: (B, H, W, 3) uint8; may be a read-only memory map.
        device: where the batch shall lie.
        channels_last: memory layout NHWC (the stored one) instead of NCHW; the values are the same.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must be uint8 (B, H, W, 3), got {images.dtype} {images.shape}")
    # torch refuses to promise that it will not write into a read-only map; the copy is uint8 and one batch long
    pixels = torch.from_numpy(images if images.flags.writeable else images.copy())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batch = pixels.to(device).permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
    return batch.div_(127.5).sub_(1.0)
