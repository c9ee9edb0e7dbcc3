"""Separate seeds for each use of a study's seed."""

from __future__ import annotations

import hashlib


def named_seed(seed: int, *names: str) -> int:
    """Return a seed below 2^63 that depends on ``seed`` and its use.

    Weights and batches drawn from one ``train_seed`` are therefore independent, and an extra draw affects no other.
    """
    digest = hashlib.blake2b(repr((seed, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
