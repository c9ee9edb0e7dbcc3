"""Random changes of training images: horizontal flips and shifts.

The draws are made on the host (``draw_changes``), the changes on the device of the pixels (``changed``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.config.training import AugmentationConfig
from trainables.foundation.random_streams import random_stream


@dataclass(frozen=True)
class Changes:
    """The draws for the images of a step: ``shifts`` (2, B, 1) int64, rows and columns; ``mirrored`` (B, 1) bool."""

    shifts: Tensor
    mirrored: Tensor

    def to(self, device: torch.device) -> Changes:
        """Return the draws on a device."""
        return Changes(self.shifts.to(device), self.mirrored.to(device))


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
    changes = draw_changes(len(pixels), config, train_seed, step)
    return pixels if changes is None else changed(pixels, changes.to(pixels.device))


def draw_changes(images: int, config: AugmentationConfig, train_seed: int, step: int) -> Changes | None:
    """Draw, on the CPU, the changes of the images of one training step; None if all changes are disabled."""
    if not config.flip and not config.crop:
        return None
    generator = random_stream(train_seed, "augmentation", str(step))
    shifts = torch.randint(-config.crop, config.crop + 1, (2, images, 1), generator=generator)
    mirrored = torch.randint(2, (images, 1), generator=generator).bool() & config.flip
    return Changes(shifts, mirrored)


def changed(pixels: Tensor, changes: Changes) -> Tensor:
    """Return the pixels (B, H, W, 3) changed as drawn; everything is on their device."""
    images, height, width = pixels.shape[:3]
    device = pixels.device
    rows = _reflected(torch.arange(height, device=device) + changes.shifts[0], height)
    columns = _reflected(torch.arange(width, device=device) + changes.shifts[1], width)
    columns = torch.where(changes.mirrored, columns.flip(1), columns)
    each = torch.arange(images, device=device)[:, None, None]
    return pixels[each, rows[:, :, None], columns[:, None, :]]


def _reflected(positions: Tensor, size: int) -> Tensor:
    """Return positions reflected into 0 to size - 1 at the first and the last."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()
