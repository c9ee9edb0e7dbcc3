"""Why an image matches a query for a task: what each channel of the embedding adds to the similarity."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Channel:
    """A channel of the embedding in a match.

    Attributes:
        channel: From 0.
        part: What it adds; the parts of all channels sum to the similarity.
        share: Of the sum of all parts that speak for the match, from 0; negative if it speaks against.
        factor: By which the task multiplies the channel; None where it does more than multiply, or does nothing here.
    """

    channel: int
    part: float
    share: float
    factor: float | None


def explain(query: Tensor, match: Tensor, factors: Tensor | None, *, normalized: bool) -> tuple[Channel, ...]:
    """Return all channels, those that carry the match most first.

    Args:
        query: The query's embedding for the task ``(D,)``.
        match: The match's.
        factors: The task's vector ``(D,)``, if it is one of factors.
        normalized: Whether similarity is the product of the two; otherwise it is minus their squared distance, to which
            channels add nothing or take away.
    """
    parts = (query * match if normalized else -(query - match).square()).tolist()
    speaking_for = sum(part for part in parts if part > 0) or 1.0
    channels = [
        Channel(index, part, part / speaking_for, None if factors is None else float(factors[index]))
        for index, part in enumerate(parts)
    ]
    return tuple(sorted(channels, key=lambda channel: (-channel.part, channel.channel)))
