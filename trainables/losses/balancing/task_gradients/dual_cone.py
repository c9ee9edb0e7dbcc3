"""The projection onto the dual cone used by UPGrad and DualProj, computed by non-negative least squares."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor
from torchjd.linalg import DualConeProjector

REGULARIZATION = 1e-4
"""Added to the diagonal of the trace-1 matrix; same value as in TorchJD's own projector (which needs quadprog)."""


class NonNegativeProjector(DualConeProjector):
    """Solves min v^T G v subject to u <= v (Quinton, Rey 2024, proposition 1).

    With G = L L^T and v = u + w, this is min |L^T w + L^T u| over w >= 0, which SciPy solves exactly with an active-set
    method.
    """

    def __call__(self, U: Tensor, G: Tensor) -> Tensor:  # noqa: N803 - the library's names
        """Return the weights (..., n) of the projections of the rows of ``U`` (..., n); ``G`` (n, n), trace 1.

        Raises:
            numpy.linalg.LinAlgError: No solution is found.
        """
        matrix = G.double().numpy() + REGULARIZATION * np.eye(len(G))
        upper = np.linalg.cholesky(matrix).T.astype(np.float64, copy=False)
        targets: NDArray[np.float64] = U.double().numpy()
        projected = [row + _non_negative(upper, -upper @ row) for row in targets.reshape(-1, len(G))]
        return torch.from_numpy(np.stack(projected)).reshape(U.shape).to(G.dtype)


def _non_negative(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        solution: NDArray[np.float64] = nnls(matrix, target)[0]
    except RuntimeError as stuck:  # raised by SciPy after too many iterations
        raise np.linalg.LinAlgError(str(stuck)) from stuck
    return solution
