"""Findings about the images of a run, stored beside its plan for reports written without the images."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from study.layout import RunFolder
from trainables.foundation.files import write_text_atomically

if TYPE_CHECKING:
    from trainables.data import Manifest


def write_data_record(folder: RunFolder, manifest: Manifest) -> None:
    """Store the counts of prepared, corrupt and duplicate images."""
    record = {
        "data_fingerprint": manifest.fingerprint,
        "images": manifest.images,
        "corrupt": len(manifest.corrupt),
        "duplicates": asdict(manifest.duplicates),
    }
    write_text_atomically(folder.data, json.dumps(record, indent=1) + "\n")


def data_facts(folder: RunFolder, data_fingerprint: str) -> tuple[str, ...]:
    """Return the report's statements about the images; nothing without a record of these images.

    A damaged record is ignored; ``modstudy run`` rewrites it.
    """
    from trainables.data import DuplicateImages

    try:
        record = json.loads(folder.data.read_text(encoding="utf-8"))
        if record["data_fingerprint"] != data_fingerprint:
            return ()
        images = ", ".join(f"{split} {number:,}" for split, number in record["images"].items())
        duplicates = DuplicateImages.from_dict(record["duplicates"])
        return (f"Images: {images}; {record['corrupt']} corrupt ones excluded", f"Duplicates: {duplicates.sentence}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ()
