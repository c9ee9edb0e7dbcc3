"""An index of images, to be searched for what is alike for a task."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Self, TypeVar

import torch

from trainables.foundation.locks.lock import lease_folder
from trainables.foundation.registry import nearest
from trainables.index.adding.embedding import Embedder
from trainables.index.adding.sources import SourceImage, read_images
from trainables.index.adding.writing import Added, IndexWriter, Progress, sweep_temporary
from trainables.index.errors import IndexFault
from trainables.index.reader import IndexReader
from trainables.index.snapshot import Snapshot
from trainables.index.stored.manifest import LOCK, PACK, IndexManifest, OneWriter, read_index, write_index
from trainables.index.vectors import Layout
from trainables.networks.precision import PRECISIONS, Precision
from trainables.packs import RetrievalModel, copy_tasks
from trainables.packs.manifest import read_manifest

R = TypeVar("R")

THUMBNAIL = 128
"""Longest side of thumbnails in pixels, if nothing else is asked for."""


class ImageIndex(IndexReader):
    """An index in a folder, to read and to write; several processes may read it while one adds to it.

    Example::

        index = ImageIndex.create("photos-index", "packs")
        index.add(read_images("photos"))
        for match in index.search("query.jpg", "Smiling", top=12):
            print(match.rank, match.id, match.similarity)
    """

    @classmethod
    def create(  # noqa: PLR0913 - a name for each choice, most of which have a default
        cls,
        folder: str | Path,
        pack: str | Path,
        *,
        model: str | None = None,
        tasks: Sequence[str] | None = None,
        precision: Precision = "fp32",
        rescore: Precision | Literal["none"] | None = None,
        thumbnails: int = THUMBNAIL,
        device: str | torch.device = "cpu",
        run_code: bool = False,
    ) -> Self:
        """Return a new, empty index; it keeps a copy of the network, so it can be moved and needs nothing else.

        Args:
            folder: Where to write it; must not hold anything.
            pack: The folder of packs that ``modstudy export`` wrote.
            model: Name of the network; needed only if there are several.
            tasks: Those to index for; None means all.
            precision: Of the stored vectors that a search scans.
            rescore: Of a second, finer copy, by which a search scores the best of the first again; by default ``int8``
                for ``1bit``, else ``none``.
            thumbnails: Longest side of the small copies of images that the index keeps, in pixels; 0 keeps none.
            device: On which the network computes.
            run_code: Whether a network that a study imported may be imported, as for ``RetrievalModel.load``.

        Raises:
            IndexFault: The folder is not empty, or a value breaks a rule.
            PackError: The pack breaks a rule, or a name is unknown.
        """
        place, packs = Path(folder).expanduser(), Path(pack).expanduser()
        name, packed = read_manifest(packs).model(model, packs)
        precisions = _precisions(precision, rescore, normalized=packed.normalize)
        with OneWriter(place):
            sweep_temporary(place)  # of a creation that was killed
            if any(path.name not in (LOCK, lease_folder(Path(LOCK)).name, PACK) for path in place.iterdir()):
                raise IndexFault(f"{place}: is not empty; choose another folder, or open the index that is there")
            shutil.rmtree(place / PACK, ignore_errors=True)
            copy_tasks(packs, place / PACK, packed.tasks if tasks is None else tasks, model=name)
            loaded = RetrievalModel.load(place / PACK, device=device, run_code=run_code)
            manifest = IndexManifest(
                model=name,
                tasks=loaded.tasks,
                vectors=Layout(loaded.network, loaded.tasks).count,
                size=loaded.embedding_size,
                precisions=precisions,
                thumbnails=thumbnails,
            )
            write_index(place, manifest)
        return cls(Snapshot(place, manifest), loaded)

    def add(self, images: Iterable[SourceImage], *, strict: bool = False, progress: Progress | None = None) -> Added:
        """Embed images and add them, committed in steps of at most 2,048; what a killed writer committed stays.

        Images that are there already with the same stamp are passed over; an image of the same id and source, but
        another stamp, replaces the one that is there.

        Args:
            images: What to add.
            strict: Whether an image that cannot be used is an error; otherwise it is skipped and named in the result.
            progress: Is given the counts so far, from time to time.

        Raises:
            IndexFault: Another process is writing, two images have one id, or, if ``strict``, an image cannot be used.
        """
        embedder = Embedder(self.model, self._layout, self.manifest.thumbnails)
        return self._writing(lambda writer: writer.add(images, embedder, strict=strict, progress=progress))

    def delete(self, ids: Iterable[str]) -> int:
        """Delete images by their ids, in one step; returns their number. Their bytes stay until ``compact``.

        Raises:
            IndexFault: Another process is writing, or an id is unknown; then none is deleted.
        """
        return self._writing(lambda writer: writer.delete(ids))

    def add_from(
        self, place: str | Path, *, name: str | None = None, strict: bool = False, progress: Progress | None = None
    ) -> Added:
        """Add the images of a folder, a list or Parquet files, as ``read_images`` finds them, and note the place.

        Raises:
            IndexFault: As ``add`` and ``read_images``.
        """
        source = str(Path(place).expanduser().resolve())
        embedder = Embedder(self.model, self._layout, self.manifest.thumbnails)

        def work(writer: IndexWriter) -> Added:
            writer.note_source(source)
            return writer.add(read_images(place, name=name), embedder, strict=strict, progress=progress)

        return self._writing(work)

    def compact(self) -> None:
        """Free the space of deleted images, and join segments; needs as much free space as the index takes.

        Raises:
            IndexFault: Another process is writing.
        """
        self._writing(lambda writer: writer.compact())

    def approximate(self, tasks: Sequence[str] | None = None) -> int:
        """Build the lists for ``search(..., approximate=True)`` where there are none or stale ones; returns how many.

        Raises:
            IndexFault: A task is unknown, faiss is not installed, or another process is writing.
        """
        wanted = self._weights(dict.fromkeys(self.tasks if tasks is None else tasks, 1.0))
        views = {self._layout.places[task].key: self._view(task) for task in wanted}
        return self._writing(lambda writer: writer.build_lists(views))

    def _writing(self, work: Callable[[IndexWriter], R]) -> R:
        with OneWriter(self.folder):
            done = work(IndexWriter(self.folder, read_index(self.folder)))
        self.refresh()
        return done


def _precisions(
    scanned: Precision, rescore: Precision | Literal["none"] | None, *, normalized: bool
) -> tuple[Precision, ...]:
    """Return the precisions at which vectors are stored: the one that is scanned, and a finer one, if any."""
    for key, value in (("precision", scanned), ("rescore", rescore)):
        if value not in {*PRECISIONS, None, "none"} or (key, value) == ("precision", "none"):
            raise IndexFault(
                f"{key}: unknown {value!r}{nearest(str(value), PRECISIONS)}; known: {', '.join(PRECISIONS)}"
            )
    if scanned == "1bit" and not normalized:
        raise IndexFault("precision: 1bit keeps signs alone, and this network's embeddings have lengths; use int8")
    finer = rescore or ("int8" if scanned == "1bit" else "none")
    if finer == "none":
        return (scanned,)
    if PRECISIONS.index(finer) >= PRECISIONS.index(scanned):
        raise IndexFault(f"rescore: {finer} is not finer than {scanned}; known, finest first: {', '.join(PRECISIONS)}")
    return scanned, finer
