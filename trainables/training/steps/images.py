"""The pixels of the training images for the steps of an accelerator: all of them there, or a batch ahead."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.runtime import ComputeConfig
from trainables.data.on_device import all_on_device, belongs_there
from trainables.training.steps.streams import new_event, new_stream


class StepImages(Protocol):
    """Where the pixels of a step come from."""

    def prepare(self, rows: NDArray[np.int64]) -> None:
        """Make the pixels of the next step available: called by the host before the step, outside any capture."""
        ...

    def pixels(self, rows: Tensor) -> Tensor:
        """Return the pixels (B, H, W, 3) of the step, uint8; called inside the step, with its rows on the device."""
        ...


def step_images(images: NDArray[np.uint8], batch: int, compute: ComputeConfig, device: torch.device) -> StepImages:
    """Return the source of pixels that ``compute.data_on_device`` asks for; ``auto`` looks at the free memory."""
    if belongs_there(images.nbytes, compute.data_on_device, device):
        return ResidentImages(images, device)
    return StreamedImages(images, batch, device)


class ResidentImages:
    """All images of the split on the device, uint8."""

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        self._images = all_on_device(images, device)

    def prepare(self, rows: NDArray[np.int64]) -> None:
        """Do nothing: the images are there."""

    def pixels(self, rows: Tensor) -> Tensor:
        """Return the rows of the images."""
        return self._images.index_select(0, rows)


class _Lane:
    """A batch on its way: in page-locked memory of the host, then on the device."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self.host = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self.device = torch.empty(shape, dtype=torch.uint8, device=device)
        self.copied = new_event(device)
        self.read = new_event(device)


class StreamedImages:
    """The pixels of one step at a time, copied while the device computes the step before (on CUDA; else in turn).

    Two lanes alternate, so the host fills one while the other is being copied. The step reads ``_current``, whose
    address stays, as a captured step requires.
    """

    def __init__(self, images: NDArray[np.uint8], batch: int, device: torch.device) -> None:
        shape = (batch, *images.shape[1:])
        self._images = images
        self._lanes = [_Lane(shape, device), _Lane(shape, device)]
        self._current = torch.empty(shape, dtype=torch.uint8, device=device)
        self._copying = new_stream(device)

    def prepare(self, rows: NDArray[np.int64]) -> None:
        """Read the images of the next step and queue their copy."""
        lane = self._lanes[0]
        self._lanes.reverse()
        if lane.copied is not None:
            lane.copied.synchronize()  # the host may overwrite its half
        # every row exists; the mode spares a buffer
        np.take(self._images, rows, axis=0, out=lane.host.numpy(), mode="clip")
        if self._copying is None or lane.copied is None or lane.read is None:
            self._current.copy_(lane.host)
            return
        computing = torch.cuda.current_stream(self._current.device)
        with torch.cuda.stream(self._copying):
            self._copying.wait_event(lane.read)  # the device has read its half
            lane.device.copy_(lane.host, non_blocking=True)
            lane.copied.record(self._copying)
        computing.wait_event(lane.copied)
        self._current.copy_(lane.device)
        lane.read.record(computing)

    def pixels(self, rows: Tensor) -> Tensor:  # noqa: ARG002 - they were chosen in `prepare`
        """Return the prepared pixels."""
        return self._current
