"""GradDrop: keeps only one sign of each gradient entry, drawn in proportion to its share (Chen et al. 2020)."""

from __future__ import annotations

from torch import Tensor

from trainables.losses.balancing.task_gradients.balancer import GradientBalancer
from trainables.losses.balancing.task_gradients.gramian import drawing


class SignDropout(GradientBalancer):
    """GradDrop of TorchJD (algorithm 1, lines 10-15; no leak) on the gradients; the sum is divided by their number."""

    def combine(self, rows: Tensor, present: list[int], step: int) -> tuple[Tensor, None]:  # noqa: ARG002
        """Combine the rows, with signs drawn from the random stream of the step."""
        from torchjd.aggregation import GradDrop

        with drawing(self.seed, step, rows.device):
            kept: Tensor = GradDrop()(rows)
        return kept / len(rows), None
