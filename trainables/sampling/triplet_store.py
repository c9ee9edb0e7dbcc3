"""Frozen lists of triplets for evaluation, kept in files."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.foundation.damage import DAMAGE
from trainables.foundation.files import write_atomically
from trainables.foundation.seeds import named_seed
from trainables.sampling.triplet_kinds import KINDS
from trainables.sampling.triplets import Integers, TripletPool, draw_triplets

_log = logging.getLogger(__name__)


_Name = tuple[str, str, int] | tuple[str, str, int, str]
"""Split, task, number of triplets, and the rule by which they are drawn if it is not the usual one."""


@dataclass(frozen=True)
class TripletStore:
    """Frozen triplet lists, one ``.npz`` per list in ``folder``, drawn with ``data_seed`` on first use.

    Each file name includes a hash of everything that determines its content, including the labels. Lists are therefore
    never confused, and all trials on the same data read the same triplets. A damaged list is drawn again.
    """

    folder: Path
    data_seed: int

    @classmethod
    def in_cache(cls, cache: Path, fingerprint: str, data_seed: int) -> TripletStore:
        """Return the store for the data of this fingerprint, shared by all trials on a node."""
        return cls(cache / "triplets" / fingerprint, data_seed)

    def load_or_draw(self, split: str, task: str, labels: Integers, count: int) -> Integers:
        """Return the frozen list (count, 3) of rows of the split.

        Args:
            split: name of the split.
            task: name of the task.
            labels: (N,) labels of the task; images labelled -1 are excluded.
            count: number of triplets.

        Raises:
            ValueError: no triplet can be formed.
        """

        def draw() -> Integers:
            generator = np.random.default_rng(named_seed(self.data_seed, "triplets", split, task))
            return draw_triplets(TripletPool(labels, task, split), count, generator)

        return self._kept((split, task, count), labels, draw)

    def load_or_draw_kind(self, kind: str, split: str, task: str, labels: Integers, count: int) -> Integers:
        """Return a frozen list drawn by a rule of ``triplet_kinds.KINDS``; an empty one (0, 3) if it has no triplet."""

        def draw() -> Integers:
            generator = np.random.default_rng(named_seed(self.data_seed, kind, split, task))
            return KINDS[kind](labels, count, generator)

        return self._kept((split, task, count, kind), labels, draw)

    def _kept(self, name: _Name, labels: Integers, draw: Callable[[], Integers]) -> Integers:
        path, count = self._path(name, labels), name[2]
        found = _read(path, count, len(labels))
        if found is None:
            found = draw()
            if len(found):
                _write(path, found)
        return found

    def _path(self, name: _Name, labels: Integers) -> Path:
        split, task, count = name[:3]
        identity = hashlib.blake2b(repr((self.data_seed, *name)).encode(), digest_size=8)
        identity.update(np.ascontiguousarray(labels, dtype="<i8").tobytes())
        readable = re.sub(r"[^A-Za-z0-9-]+", "_", f"{split}-{task}")[:60]
        return self.folder / f"{readable}-{count}-{identity.hexdigest()}.npz"


def _write(path: Path, triplets: Integers) -> None:
    """Write an archive, whose checksum is verified on reading; concurrent trials write the same bytes."""
    write_atomically(path, lambda file: np.savez(file, triplets=triplets), writer=uuid.uuid4().hex)


def _read(path: Path, count: int, images: int) -> Integers | None:
    """Return the stored list, None if it is missing or damaged."""
    if not path.exists():
        return None
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as stored:
            triplets: Integers = stored["triplets"]
    except DAMAGE as error:
        _log.warning("%s: not a readable list of triplets (%s); drawing it again", path, error)
        return None
    if triplets.shape != (count, 3) or triplets.dtype != np.int64 or triplets.min() < 0 or triplets.max() >= images:
        _log.warning("%s: holds %s %s, not %d triplets; drawing it again", path, triplets.dtype, triplets.shape, count)
        return None
    return triplets
