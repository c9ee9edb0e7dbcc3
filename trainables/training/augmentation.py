"""Random changes of training images: horizontal flips and shifts."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.config.training import AugmentationConfig
from trainables.foundation.random_streams import random_stream


def augment(pixels: Tensor, config: AugmentationConfig, train_seed: int, step: int) -> Tensor:
    """Return the images of one training step, each changed at random independently.

    ``flip`` mirrors an image left to right with probability 1/2. ``crop`` c pads it by c pixels on each side with
    ``reflect`` (mirrored without repeating the border, so no colour is invented), then crops the original size at one
    of the (2c + 1)^2 offsets, all equally likely. The images of a triplet are changed independently.

    The draws depend only on ``train_seed`` and ``step``, so resuming from a checkpoint needs no state.

    Args:
        pixels: (B, H, W, 3), on any device; ``crop`` must be below H and W.
        config: the enabled changes; with all disabled, the pixels are returned unchanged and nothing is drawn.
        train_seed: of the trial.
        step: optimization steps since the start of the trial.
    """
    if not config.flip and not config.crop:
        return pixels
    images, height, width = pixels.shape[:3]
    generator = random_stream(train_seed, "augmentation", str(step))
    shifts = torch.randint(-config.crop, config.crop + 1, (2, images, 1), generator=generator)
    mirrored = torch.randint(2, (images, 1), generator=generator).bool() & config.flip
    rows = _reflected(torch.arange(height) + shifts[0], height)
    columns = _reflected(torch.arange(width) + shifts[1], width)
    columns = torch.where(mirrored, columns.flip(1), columns)
    each = torch.arange(images, device=pixels.device)[:, None, None]
    return pixels[each, rows.to(pixels.device)[:, :, None], columns.to(pixels.device)[:, None, :]]


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Return positions reflected into 0 to size - 1 at the first and the last."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()
