"""Streams and events of CUDA; other devices have none here and do their work in turn."""

from __future__ import annotations

import torch


def new_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a stream beside the current one of a CUDA device, None for other devices."""
    if device.type != "cuda":
        return None
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def new_event(device: torch.device) -> torch.cuda.Event | None:
    """Return an event of a CUDA device, None for other devices."""
    if device.type != "cuda":
        return None
    return torch.cuda.Event()  # type: ignore[no-untyped-call]
