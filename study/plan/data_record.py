"""Findings about the images of a run, stored beside its plan for reports written without the images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from study.layout import RunFolder
from trainables.foundation.files import write_text_atomically

if TYPE_CHECKING:
    from trainables.data import Manifest

_MOST_NAMED = 3

_Lines = tuple[str, ...]


def write_data_record(folder: RunFolder, manifest: Manifest) -> None:
    """Store the counts of prepared, corrupt and duplicate images, and where the first corrupt ones are listed."""
    record = {
        "data_fingerprint": manifest.fingerprint,
        "images": manifest.images,
        "corrupt": len(manifest.corrupt),
        "first_corrupt": [image.finding for image in manifest.corrupt[:_MOST_NAMED]],
        "duplicates": asdict(manifest.duplicates),
    }
    write_text_atomically(folder.data, json.dumps(record, indent=1) + "\n")


def data_facts(folder: RunFolder, data_fingerprint: str) -> tuple[str, ...]:
    """Return the report's statements about the images; nothing without a record of these images."""
    return _told(folder, data_fingerprint, _facts)


def left_out_of_run(folder: RunFolder, data_fingerprint: str) -> tuple[str, ...]:
    """Return a sentence on the images that a run left out; nothing if there are none or no record tells."""
    return _told(folder, data_fingerprint, _left_out_of)


def left_out_of(manifest: Manifest | None) -> tuple[str, ...]:
    """Return a sentence on the images that are left out; nothing if there are none, or before they are decoded."""
    if manifest is None:
        return ()
    first = [image.finding for image in manifest.corrupt[:_MOST_NAMED]]
    return _left_out(len(manifest.corrupt), sum(manifest.images.values()), first)


def _left_out(number: int, kept: int, first: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on the images left out, nothing if there are none.

    Args:
        number: of images left out.
        kept: the number of the others.
        first: where the first of them are listed, and why they are left out.
    """
    if not number:
        return ()
    named = "; ".join([*first, *([f"and {number - len(first)} more"] if first and number > len(first) else [])])
    return (f"{number:,} of {number + kept:,} images are left out: {named or 'they cannot be decoded'}",)


def _facts(record: Mapping[str, Any]) -> tuple[str, ...]:
    from trainables.data import DuplicateImages

    images = ", ".join(f"{split} {number:,}" for split, number in record["images"].items())
    excluded = f"{record['corrupt']} corrupt {'image' if record['corrupt'] == 1 else 'images'} excluded"
    duplicates = DuplicateImages.from_dict(record["duplicates"])
    return (f"Images: {images}; {excluded}", f"Duplicates: {duplicates.sentence}")


def _left_out_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    return _left_out(record["corrupt"], sum(record["images"].values()), record.get("first_corrupt", []))


def _told(folder: RunFolder, data_fingerprint: str, tell: Callable[[Mapping[str, Any]], _Lines]) -> _Lines:
    """Return what the record of these images tells; nothing without one.

    A damaged record is ignored; ``modstudy run`` rewrites it.
    """
    try:
        record = json.loads(folder.data.read_text(encoding="utf-8"))
        return tell(record) if record["data_fingerprint"] == data_fingerprint else ()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()
