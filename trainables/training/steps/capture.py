"""The step as a CUDA graph: recorded once, then replayed without the host queueing its kernels one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from trainables.config.trial import TrialConfig
from trainables.losses.balancing import Balancer
from trainables.networks.drawing import from_here, is_imported, may_draw
from trainables.networks.multi_task import MultiTaskModel
from trainables.training.steps.streams import new_stream

WARM_UP = 3
"""Steps taken before the capture, in which libraries choose their kernels and the optimizer makes its state. They are
the trial's own first steps, so nothing has to be undone."""

_log = logging.getLogger(__name__)


def why_not_static(config: TrialConfig, model: MultiTaskModel, balancer: type[Balancer]) -> str | None:
    """Return why the step cannot be a fixed sequence of kernels at fixed addresses; None if it can.

    A step that reads a value on the host, draws from torch's own random streams or runs code from elsewhere cannot be
    known to be one.
    """
    if is_imported(model):
        return "the network is imported"
    if may_draw(model):
        return "the network or its modulation has layers that are not this package's own"
    if not balancer.captures or not from_here(balancer):
        return f"the balancing method {config.balancing.method} reads values of every step"
    return None


class CapturedWork:
    """Work that is done eagerly the first times, then captured, then replayed; on other devices always eagerly.

    The work must read and write only tensors at fixed addresses. If the capture fails, the work goes on eagerly, with
    the same numbers: a capture computes nothing, so no step is half done.
    """

    def __init__(self, device: torch.device, *, capture: bool) -> None:
        self._device = device
        self._left = WARM_UP
        self._graph: torch.cuda.CUDAGraph | None = None
        self._side = new_stream(device) if capture else None

    @property
    def captured(self) -> bool:
        """Whether the work is replayed."""
        return self._graph is not None

    def do(self, work: Callable[[], None]) -> None:
        """Do the work once; it must be the same function each time."""
        if self._graph is None and self._side is not None and not self._left:
            self._capture(work, self._side)
        if self._graph is not None:
            self._graph.replay()
        elif self._side is None:
            work()
        else:
            self._warm_up(work, self._side)

    def _warm_up(self, work: Callable[[], None], side: torch.cuda.Stream) -> None:
        """Do the work on the stream that will be captured, where the backward pass must have its nodes."""
        here = torch.cuda.current_stream(self._device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            work()
        here.wait_stream(side)
        self._left -= 1

    def _capture(self, work: Callable[[], None], side: torch.cuda.Stream) -> None:
        graph = torch.cuda.CUDAGraph()
        here = torch.cuda.current_stream(self._device)
        try:
            # other threads of a worker may use CUDA meanwhile, so only this one is held to what a capture allows
            with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            torch.cuda.set_stream(here)  # a failed capture may leave its own
            self._side = None
            cause = (str(error).splitlines() or [type(error).__name__])[0]
            _log.warning("the step cannot be captured as a CUDA graph (%s): it runs uncaptured, only slower", cause)
            return
        here.wait_stream(side)
        self._graph = graph
