"""Why something cannot be folded."""

from __future__ import annotations


class NotFoldableError(ValueError):
    """No weights of the backbone do the same; says why."""
