"""Seeds of their own for every use of a study's seed."""

from __future__ import annotations

import hashlib


def named_seed(seed: int, *names: str) -> int:
    """Return a seed below 2^63 that depends on ``seed`` and on what it is for.

    So weights and batches drawn from one ``train_seed`` are unrelated, and one more draw moves no other.
    """
    digest = hashlib.blake2b(repr((seed, names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
