"""Triplets of one task: valid anchors, positives and negatives, and frozen lists of triplets for evaluation."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.foundation.damage import DAMAGE
from trainables.foundation.files import write_atomically
from trainables.foundation.seeds import named_seed

Integers = NDArray[np.int64]

_log = logging.getLogger(__name__)


class TripletPool:
    """The labelled images of one task in one split, ordered by class, ready to complete anchors to triplets.

    Any image whose class has at least two members may be an anchor. (The released code takes only images that have the
    attribute, so binary tasks never learn what the negatives have in common.) The positive is drawn uniformly from the
    other images of its class, the negative uniformly from the images of all other classes.
    """

    def __init__(self, labels: Integers, task: str, split: str) -> None:
        """Index the task.

        Args:
            labels: (N,) of one task, -1 = unlabelled.
            task: its name, for messages.
            split: the split's name, for messages.

        Raises:
            ValueError: no triplet can be formed; the message gives task and split.
        """
        labelled = np.flatnonzero(labels >= 0)
        self._by_class = labelled[np.argsort(labels[labelled], kind="stable")]
        classes, starts, sizes = np.unique(labels[self._by_class], return_index=True, return_counts=True)
        if len(classes) < 2 or sizes.max() < 2:
            raise ValueError(
                f"task {task!r} on split {split!r}: triplets need two classes, one of them with two images; of "
                f"{len(labels)} images {len(labelled)} are labelled, in classes of sizes {sizes.tolist()[:10]}"
            )
        self._start = np.repeat(starts, sizes)
        self._size = np.repeat(sizes, sizes)
        self._position = np.empty(len(labels), dtype=np.int64)
        self._position[self._by_class] = np.arange(len(labelled))
        self.anchors: Integers = np.sort(self._by_class[self._size >= 2])

    def complete(self, anchors: Integers, uniform: NDArray[np.float64]) -> Integers:
        """Return triplets (M, 3) of image rows: anchor, positive, negative.

        Args:
            anchors: (M,), elements of ``self.anchors``.
            uniform: (2, M) numbers in [0, 1) that select positive and negative. The caller draws them, so that both
                NumPy's and torch's generators can be used. ``floor(u * n)`` is below n for every double u below 1.
        """
        own = self._position[anchors]
        start, size = self._start[own], self._size[own]
        positive = start + (uniform[0] * (size - 1)).astype(np.int64)
        positive += positive >= own
        negative = (uniform[1] * (len(self._by_class) - size)).astype(np.int64)
        negative += np.where(negative >= start, size, 0)
        return np.stack([anchors, self._by_class[positive], self._by_class[negative]], axis=1)


def draw_triplets(pool: TripletPool, count: int, generator: np.random.Generator) -> Integers:
    """Return ``count`` triplets (count, 3), with anchors drawn uniformly from the pool, with replacement."""
    anchors = pool.anchors[generator.integers(0, len(pool.anchors), size=count)]
    return pool.complete(anchors, generator.random((2, count)))


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
        path = self._path(split, task, labels, count)
        found = _read(path, count, len(labels))
        if found is None:
            pool = TripletPool(labels, task, split)
            generator = np.random.default_rng(named_seed(self.data_seed, "triplets", split, task))
            found = draw_triplets(pool, count, generator)
            _write(path, found)
        return found

    def _path(self, split: str, task: str, labels: Integers, count: int) -> Path:
        identity = hashlib.blake2b(repr((self.data_seed, split, task, count)).encode(), digest_size=8)
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
