"""The fingerprint of the data: what pixels and labels depend on, and what a process has checked of it.

Computing it reads the list of images and looks at every file, so a process that has checked its data against a plan
does not look again: the images that its trials read are decoded, in a folder named by the fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from trainables.config.data import DataConfig
from trainables.data.pixel_limit import acting_limit
from trainables.failures import DataError, reading_data
from trainables.sources.source import ImageSource

_Key = tuple[str, int, Path | None]

_checked: dict[_Key, str] = {}
"""The fingerprints that ``require_fingerprint`` has confirmed in this process."""


def data_fingerprint(data: DataConfig, data_seed: int, cache: Path | None = None) -> str:
    """Return 32 hexadecimal digits that change if and only if pixels or labels would.

    They depend on the bytes of the files, the image size, the fit, the tasks in order and the decoder version; for
    synthetic faces, on the settings, the generator version and ``data_seed``. They do not depend on the file paths.

    Args:
        data: the images and labels.
        data_seed: seeds whatever the source generates.
        cache: the folder of cached file hashes, so that files are read once; None disables caching.

    Raises:
        ValueError: files, columns and tasks are inconsistent.
    """
    return fingerprint_of_source(data.open(data_seed, cache), data)


def fingerprint_of_source(source: ImageSource, data: DataConfig) -> str:
    """Return the fingerprint of an open source."""
    identity = source.identity()
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    limit = acting_limit(source, text, data.max_pixels)
    if limit:
        text = json.dumps({**identity, **limit}, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def require_fingerprint(data: DataConfig, data_seed: int, expected: str, cache: Path | None = None) -> None:
    """Check that the local data is what the trial was planned on; a node may have other files at the same path.

    Data that this process has found to be as expected is not read again.

    Raises:
        DataError: the data differs, or files, columns and tasks are inconsistent.
    """
    if checked_fingerprint(data, data_seed, cache) == expected:
        return
    with reading_data():
        found = data_fingerprint(data, data_seed, cache)
    refuse_other_data(data, found, expected)
    _checked[_key(data, data_seed, cache)] = found


def refuse_other_data(data: DataConfig, found: str, expected: str) -> None:
    """Refuse data with another fingerprint than the one expected.

    Raises:
        DataError: names the place of the data and both fingerprints.
    """
    if found != expected:
        raise DataError(
            f"{data.source.place}: the data here has fingerprint {found}, but the trial was planned on {expected}"
        )


def checked_fingerprint(data: DataConfig, data_seed: int, cache: Path | None) -> str | None:
    """Return the fingerprint that ``require_fingerprint`` has confirmed here; None if it was not asked."""
    return _checked.get(_key(data, data_seed, cache))


def _key(data: DataConfig, data_seed: int, cache: Path | None) -> _Key:
    return data.model_dump_json(), data_seed, cache
