"""Writes an index, adds images to it, or deletes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.retrieval.faults import told_to_the_user

if TYPE_CHECKING:
    from trainables.index import ImageIndex
    from trainables.index.adding.writing import Added


@dataclass(frozen=True)
class IndexRequest:
    """What to index, and how: the options of ``modstudy index``.

    Attributes:
        pack: A folder of packs, or an index that exists.
        images: What to add: a folder, a list or Parquet files; None adds nothing.
        out: Folder of the index; by default the name of the images with ``-index``.
        network: Name of the network, if the folder of packs holds several.
        tasks: Those to index for; none means all.
        precision: Of the vectors that a search scans.
        rescore: Of a finer copy, if any.
        thumbnails: Their longest side in pixels.
        name: Beginning of the ids, by default the name of the images.
        append: Whether images of another place may be added to an index.
        strict: Whether an unusable image is an error.
        delete: Ids of images to delete.
        approximate: Whether to build lists for approximate search.
        compact: Whether to free the space of deleted images.
        device: On which the network computes.
        run_code: Whether a network that a study imported may be imported.
    """

    pack: Path
    images: Path | None = None
    out: Path | None = None
    network: str | None = None
    tasks: tuple[str, ...] = ()
    precision: str = "fp32"
    rescore: str | None = None
    thumbnails: int | None = None
    name: str | None = None
    append: bool = False
    strict: bool = False
    delete: tuple[str, ...] = ()
    approximate: bool = False
    compact: bool = False
    device: str = "cpu"
    run_code: bool = False


@dataclass(frozen=True)
class Indexed:
    """What was done to an index; ``added`` and ``lists`` (how many were built) are None where none were asked for."""

    index: ImageIndex
    added: Added | None
    deleted: int
    lists: int | None

    def lines(self) -> tuple[str, ...]:
        """Return what was done, what was left out, and how to search."""
        index, manifest = self.index, self.index.manifest
        each, kept = manifest.vector_bytes, " + ".join(manifest.precisions)
        return (
            f"index: {index.folder}: {len(index):,} images",
            f"vectors: {manifest.vectors} an image ({kept}), {each:,} bytes; {each * len(index):,} in all",
            *self._changes(),
            f"to search: modstudy retrieve {index.folder} QUERY.jpg --task {index.tasks[0]}",
        )

    def _changes(self) -> Sequence[str]:
        lines = [f"deleted: {self.deleted:,}"] if self.deleted else []
        if self.added is not None:
            done = self.added
            lines.append(
                f"added: {done.added:,} ({done.replaced:,} replaced); in the index already: {done.unchanged:,}"
            )
            if done.skipped:
                lines.append(f"skipped: {len(done.skipped):,} that cannot be used:")
                lines += [f"  {skipped.id}: {skipped.reason}" for skipped in done.skipped[:_NAMED]]
            if len(done.skipped) > _NAMED:
                lines.append(f"  and {len(done.skipped) - _NAMED:,} more")
        if self.lists is not None:
            lines.append(f"lists for approximate search: {self.lists} built" if self.lists else "lists: up to date")
        return lines


_NAMED = 20
"""Skipped images that are named."""


def index_images(request: IndexRequest, progress: Callable[[Added], None] | None = None) -> Indexed:
    """Do what a request asks for; done again, it goes on where it was interrupted.

    Raises:
        UserError: A folder, an option or an image breaks a rule.
    """
    with told_to_the_user():
        index, added = _found(request), None
        deleted = index.delete(request.delete) if request.delete else 0
        if request.images is not None:
            added = index.add_from(request.images, name=request.name, strict=request.strict, progress=progress)
        if request.compact:
            index.compact()
        lists = index.approximate() if request.approximate else None
    return Indexed(index, added, deleted, lists)


def _found(request: IndexRequest) -> ImageIndex:
    """Return the index that is meant, which is created if it is not there."""
    from trainables.index import ImageIndex
    from trainables.index.stored.manifest import MANIFEST

    if (request.pack / MANIFEST).is_file():
        if request.out is not None:
            raise UserError(f"{request.pack}: is an index already, which --out cannot move; leave out --out")
        place = request.pack
    else:
        place = request.out or Path(f"{_title(request.images)}-index")
    if not (place / MANIFEST).is_file():
        if request.images is None:
            raise UserError(f"{request.pack}: not an index; name the images to index: modstudy index PACK IMAGES")
        return ImageIndex.create(place, request.pack, **_settings(request))
    index = ImageIndex.open(place, device=request.device, run_code=request.run_code)
    _check_same(index, request)
    return index


def _title(images: Path | None) -> str:
    return "images" if images is None else images.expanduser().resolve().stem or "images"


def _settings(request: IndexRequest) -> dict[str, Any]:
    given = {"model": request.network, "tasks": request.tasks or None, "rescore": request.rescore}
    sizes = {} if request.thumbnails is None else {"thumbnails": request.thumbnails}
    return {
        **given,
        **sizes,
        "precision": request.precision,
        "device": request.device,
        "run_code": request.run_code,
    }


def _check_same(index: ImageIndex, request: IndexRequest) -> None:
    """Refuse what would make one index of two networks, or, unless asked to, of two places."""
    from trainables.packs.manifest import read_manifest

    if request.pack != index.folder:
        _, packed = read_manifest(request.pack).model(request.network, request.pack)
        if not index.packed.files.keys() <= packed.files.keys():
            raise UserError(
                f"{index.folder}: was made by another network than that of {request.pack}; index into another folder:"
                " --out"
            )
    known, images = index.manifest.sources, request.images
    if images is not None and known and not request.append and str(images.expanduser().resolve()) not in known:
        raise UserError(f"{index.folder}: holds the images of {', '.join(known)}; to add {images} to them: --append")
