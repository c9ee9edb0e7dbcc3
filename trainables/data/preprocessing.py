"""Converts stored pixels to the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

Preprocessing = Literal["unit", "released", "imagenet"]


@dataclass(frozen=True)
class _Numbers:
    """Maps a pixel value p, 0 to 255, of channel R, G, B to (p / scale - mean) / deviation; no deviation means 1."""

    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float] | None


_PREPROCESSING: dict[Preprocessing, _Numbers] = {
    # -1 to 1
    "unit": _Numbers(127.5, (1.0, 1.0, 1.0), None),
    # train_mm.py, normalized_image: it subtracts (102.9801, 115.9465, 122.7717) from channels stored blue, green, red
    # and multiplies by 1/128. Ours are stored red, green, blue, so the means are in reverse order.
    "released": _Numbers(1.0, (122.7717, 115.9465, 102.9801), (128.0, 128.0, 128.0)),
    # ImageNet's means and deviations, as used by CSN (main.py) and torchvision's pretrained weights
    "imagenet": _Numbers(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def formula(preprocessing: Preprocessing) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Return scale, mean and deviation by channel (red, green, blue): an input is (p / scale - mean) / deviation."""
    numbers = _PREPROCESSING[preprocessing]
    return numbers.scale, numbers.mean, numbers.deviation or (1.0, 1.0, 1.0)


def to_network_input(
    images: NDArray[np.uint8], device: torch.device, channels_last: bool, preprocessing: Preprocessing
) -> torch.Tensor:
    """Return a float32 batch (B, 3, H, W) on ``device``.

    Args:
        images: (B, H, W, 3) uint8, RGB; may be a read-only memory map.
        device: the device of the batch.
        channels_last: memory layout NHWC (the stored one) instead of NCHW; the values are the same.
        preprocessing: ``unit``: -1 to 1. ``released``: (p - mean) / 128. ``imagenet``: standardised.
    """
    return preprocessed(to_device(images, device), channels_last, preprocessing)


def to_device(images: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return the pixels (B, H, W, 3) on ``device``, still uint8, which moves a quarter of the bytes."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"images must be uint8 (B, H, W, 3), got {images.dtype} {images.shape}")
    # torch does not guarantee not to write into a read-only map, so copy; the copy is uint8 and one batch long
    return torch.from_numpy(images if images.flags.writeable else images.copy()).to(device)


def preprocessed(pixels: torch.Tensor, channels_last: bool, preprocessing: Preprocessing) -> torch.Tensor:
    """Return the network input, float32 (B, 3, H, W), from pixels uint8 (B, H, W, 3); see ``to_network_input``."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batch = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=layout)
    mean, deviation = _by_channel(preprocessing, pixels.device)
    batch.div_(_PREPROCESSING[preprocessing].scale).sub_(mean)
    return batch if deviation is None else batch.div_(deviation)


@cache
def _by_channel(preprocessing: Preprocessing, device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return mean and deviation (3, 1, 1), made once per device: a copy in every step would make the device wait."""
    numbers = _PREPROCESSING[preprocessing]
    with torch.inference_mode(mode=False):
        mean, deviation = (
            None if values is None else torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)
            for values in (numbers.mean, numbers.deviation)
        )
    return cast("torch.Tensor", mean), deviation
